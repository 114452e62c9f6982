//! Connection URLs, as loosely read as libpq reads them.
//!
//! It only cuts and decodes; what the keys mean is decided later. No message quotes a part of the URL, since a password
//! with an unescaped `@` or `/` can end up in any of them.

use crate::error::{Code, Failure};

/// The text behind `postgres://` or `postgresql://`, if that is what it is.
pub(super) fn strip_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// Cuts the part of a URL behind its scheme into keys and values, later ones overriding earlier ones.
pub(super) fn parse(rest: &str, origin: &str) -> Result<Vec<(String, String)>, Failure> {
    let bad = |why: &str| {
        Failure::new(Code::ConfigInvalid, format!("reading {origin}: {why}")).hint(
            "write postgresql://user:password@host:port/dbname?key=value, with @ : / ? # % & inside a part percent-encoded (@ is %40)",
        )
    };
    // libpq looks for the @ in front of the first slash only, and lets a ? be part of a password.
    let (login, rest) = match rest.find(['@', '/']) {
        Some(at) if rest[at..].starts_with('@') => (&rest[..at], &rest[at + 1..]),
        _ => ("", rest),
    };
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    if location.contains('@') {
        return Err(bad("there is an unescaped @ behind the user and password"));
    }
    let (hosts, database) = location.split_once('/').unwrap_or((location, ""));
    let (names, ports) = split_hosts(hosts).map_err(bad)?;

    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut pairs = Vec::new();
    for (key, value) in
        [("user", user), ("password", password), ("host", &names), ("port", &ports), ("dbname", database)]
    {
        if !value.is_empty() {
            pairs.push((key.to_owned(), decode(value).map_err(bad)?));
        }
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').ok_or_else(|| bad("a parameter behind ? has no ="))?;
        if value.contains('=') {
            return Err(bad("a parameter behind ? has more than one ="));
        }
        pairs.push(match (decode(key).map_err(bad)?, decode(value).map_err(bad)?) {
            // The JDBC driver's spelling, which libpq accepts.
            (key, value) if key == "ssl" && value == "true" => ("sslmode".to_owned(), "require".to_owned()),
            pair => pair,
        });
    }
    Ok(pairs)
}

/// Splits `host1:port1,[host2]:port2` into the comma lists that libpq keeps.
fn split_hosts(hosts: &str) -> Result<(String, String), &'static str> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for one in hosts.split(',') {
        let (name, port) = match one.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest.split_once(']').ok_or("an IPv6 address lacks its closing bracket")?;
                if name.is_empty() {
                    return Err("there is an empty IPv6 address");
                }
                match rest.strip_prefix(':') {
                    Some(port) => (name, port),
                    None if rest.is_empty() => (name, ""),
                    None => return Err("something other than a port follows an IPv6 address"),
                }
            }
            None => one.split_once(':').unwrap_or((one, "")),
        };
        names.push(name);
        ports.push(port);
    }
    Ok((names.join(","), ports.join(",")))
}

/// Replaces `%20` and the like.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let code = tail.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = code
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(0) => return Err("%00 is not allowed"),
            Some(byte) => bytes.push(byte),
            None => return Err("a % is not followed by two hexadecimal digits"),
        }
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| "a percent-encoded part is not UTF-8")
}
