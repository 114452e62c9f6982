//! The same wishes, put to us and to psql: both see the same, or both see nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use tenantctl::error::Code;

use crate::support::ask::Ask;
use crate::support::tls_server::{PASSWORD, Servers};

/// The URL, the variables, and what both of us and psql have to see: `user database encryption`, or nothing at all.
type Case = (&'static str, &'static [(&'static str, &'static str)], Option<&'static str>);

async fn check(servers: &Servers, cases: &[Case], prepare: impl Fn(Ask) -> Ask) {
    for (url, variables, expected) in cases {
        let ask = prepare(Ask::new(servers, url, variables));
        let seen = ask.seen().await;
        assert_eq!(seen.as_deref().ok(), *expected, "we, with {url:?} {variables:?}: {seen:?}");
        if let Some(psql) = servers.primary.psql() {
            let seen = ask.psql(&psql);
            assert_eq!(seen.as_deref().ok(), *expected, "psql, with {url:?} {variables:?}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn urls_strings_and_variables_lead_where_they_lead_psql() {
    let plain: &[Case] = &[
        ("postgresql://open@localhost:{port}/postgres", &[], Some("open postgres encrypted")),
        ("postgres://open@localhost:{port}/postgres?sslmode=disable", &[], Some("open postgres plain")),
        ("postgresql://alice:{encoded}@localhost:{port}/", &[], Some("alice alice encrypted")),
        ("postgresql://alice:{encoded}@localhost:{port}/od%20d%2Fb", &[], Some("alice od d/b encrypted")),
        ("postgresql:///postgres?host={socket}&port={port}&user=postgres", &[], Some("postgres postgres plain")),
        ("postgresql://open@{socket_encoded}:{port}/postgres?sslmode=require", &[], Some("open postgres plain")),
        ("postgresql://open@/postgres?host=localhost&port={port}", &[], Some("open postgres encrypted")),
        ("postgresql://open@localhost:{port}/postgres?ssl=true", &[], Some("open postgres encrypted")),
        ("postgresql://open@localhost:{port}/postgres?shoe=42", &[], None),
        ("postgresql://open@localhost:{port}/postgres?sslmode=maybe", &[], None),
        ("postgresql://open@localhost:{port}/postgres?gssencmode=require", &[], None),
        ("postgresql://open@localhost:99999/postgres", &[], None),
        (
            "host=localhost port={port} user=alice password='{quoted}' dbname = postgres",
            &[],
            Some("alice postgres encrypted"),
        ),
        (
            "host=localhost port={port} user=md5 password='{quoted}' dbname=postgres",
            &[],
            Some("md5 postgres encrypted"),
        ),
        ("host=localhost port={port} user=alice password=wrong dbname=postgres", &[], None),
        ("{server} user=alice", &[], None),
        ("{server} user=nobody-of-that-name", &[], None),
        ("host=localhost port={port} user=open dbname=missing", &[], None),
        ("{server} user=full", &[], None),
        (
            "host=nowhere.invalid hostaddr=127.0.0.1 port={port} user=open dbname=postgres",
            &[],
            Some("open postgres encrypted"),
        ),
        ("hostaddr=127.0.0.1 port={port} user=open dbname=postgres", &[], Some("open postgres encrypted")),
        ("host=nowhere.invalid port={port} user=open dbname=postgres", &[], None),
        (
            "",
            &[("PGHOST", "localhost"), ("PGPORT", "{port}"), ("PGUSER", "alice"), ("PGPASSWORD", "{password}")],
            Some("alice alice encrypted"),
        ),
        (
            "postgresql://localhost/postgres?sslmode=disable",
            &[("PGPORT", "{port}"), ("PGUSER", "alice"), ("PGPASSWORD", "{password}"), ("PGSSLMODE", "require")],
            Some("alice postgres plain"),
        ),
        (
            "user=open dbname=postgres",
            &[("PGHOST", ""), ("PGHOSTADDR", "127.0.0.1"), ("PGPORT", "{port}"), ("PGSSLMODE", "allow")],
            Some("open postgres plain"),
        ),
        ("{server} user=open", &[("PGOPTIONS", "-c role=nobody-of-that-name")], None),
        // The port list of a URL is a list even where it is empty, so PGPORT does not count.
        ("postgresql://open@localhost,localhost/postgres", &[("PGPORT", "{port}")], None),
    ];
    check(&Servers::shared(), plain, |ask| ask).await;
}

#[tokio::test]
async fn sslmode_accepts_and_refuses_what_it_does_in_psql() {
    let cases: &[Case] = &[
        ("{server} user=open sslmode=disable", &[], Some("open postgres plain")),
        ("{server} user=open sslmode=allow", &[], Some("open postgres plain")),
        ("{server} user=open sslmode=prefer", &[], Some("open postgres encrypted")),
        ("{server} user=open sslmode=require", &[], Some("open postgres encrypted")),
        ("{server} user=open sslmode=verify-ca", &[], None),
        ("{server} user=open sslmode=verify-ca sslrootcert={root}", &[], Some("open postgres encrypted")),
        (
            "{server} host=127.0.0.1 user=open sslmode=verify-ca sslrootcert={root}",
            &[],
            Some("open postgres encrypted"),
        ),
        ("{server} user=open sslmode=verify-ca sslrootcert={other}", &[], None),
        ("{server} user=open sslmode=verify-full", &[("PGSSLROOTCERT", "{root}")], Some("open postgres encrypted")),
        ("{server} host=127.0.0.1 user=open sslmode=verify-full sslrootcert={root}", &[], None),
        (
            "hostaddr=127.0.0.1 {server} user=open sslmode=verify-full sslrootcert={root}",
            &[],
            Some("open postgres encrypted"),
        ),
        ("{server} user=open sslmode=verify-full sslrootcert={other}", &[], None),
        ("{server} user=open sslmode=require sslrootcert={root}", &[], Some("open postgres encrypted")),
        ("{server} host=127.0.0.1 user=open sslmode=require sslrootcert={root}", &[], Some("open postgres encrypted")),
        ("{server} user=open sslmode=require sslrootcert={other}", &[], None),
        ("{server} user=open sslmode=prefer sslrootcert={other}", &[], Some("open postgres plain")),
        ("{server} user=open sslmode=require sslrootcert=/nowhere/root.crt", &[], Some("open postgres encrypted")),
        ("host=localhost port={standby} user=open dbname=postgres sslmode=require", &[], None),
        ("host=localhost port={standby} user=open dbname=postgres sslmode=prefer", &[], Some("open postgres plain")),
        ("host=localhost port={standby} user=open dbname=postgres sslmode=allow", &[], Some("open postgres plain")),
        // The server lets these log in with, or without, encryption only.
        ("{server} user=only_tls sslmode=allow", &[("PGPASSWORD", "{password}")], Some("only_tls postgres encrypted")),
        ("{server} user=only_tls sslmode=disable", &[("PGPASSWORD", "{password}")], None),
        ("{server} user=only_plain sslmode=prefer", &[("PGPASSWORD", "{password}")], Some("only_plain postgres plain")),
        ("{server} user=only_plain sslmode=require", &[("PGPASSWORD", "{password}")], None),
        // Binding the password to the channel.
        (
            "{server} user=alice channel_binding=require",
            &[("PGPASSWORD", "{password}")],
            Some("alice postgres encrypted"),
        ),
        ("{server} user=alice sslmode=disable", &[("PGPASSWORD", "{password}"), ("PGCHANNELBINDING", "require")], None),
        // Client certificates.
        ("{server} user=with_certificate", &[], None),
        (
            "{server} user=with_certificate sslcert={client} sslkey={key}",
            &[],
            Some("with_certificate postgres encrypted"),
        ),
        (
            "{server} user=with_certificate sslmode=require",
            &[("PGSSLCERT", "{client}"), ("PGSSLKEY", "{key}")],
            Some("with_certificate postgres encrypted"),
        ),
        ("{server} user=with_certificate sslmode=require sslcert={client}", &[], None),
        ("{server} user=with_certificate sslcert=/nowhere/client.crt", &[], None),
    ];
    check(&Servers::shared(), cases, |ask| ask).await;
}

#[tokio::test]
async fn a_root_certificate_at_home_is_believed_like_psql_believes_it() {
    let servers = Servers::shared();
    let cases: &[Case] = &[
        ("{server} user=open sslmode=verify-full", &[], Some("open postgres encrypted")),
        ("{server} host=127.0.0.1 user=open sslmode=verify-full", &[], None),
        ("{server} user=open sslmode=require sslrootcert={other}", &[], None),
    ];
    let root = fs::read_to_string(servers.file("root.crt")).unwrap();
    check(&servers, cases, |ask| ask.file(".postgresql/root.crt", &root)).await;
    let other = fs::read_to_string(servers.file("other-root.crt")).unwrap();
    let cases: &[Case] = &[("{server} user=open sslmode=require", &[], None)];
    check(&servers, cases, |ask| ask.file(".postgresql/root.crt", &other)).await;
}

#[tokio::test]
async fn a_client_certificate_at_home_is_used_unless_others_can_read_its_key() {
    let servers = Servers::shared();
    let [certificate, key] = ["client.crt", "client.key"].map(|file| fs::read_to_string(servers.file(file)).unwrap());
    let prepare =
        |ask: Ask| ask.file(".postgresql/postgresql.crt", &certificate).file(".postgresql/postgresql.key", &key);
    let wish = "{server} user=with_certificate sslmode=require";
    check(&servers, &[(wish, &[], Some("with_certificate postgres encrypted"))], prepare).await;

    let ask = prepare(Ask::new(&servers, wish, &[]));
    let key = ask.home.path().join(".postgresql/postgresql.key");
    fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap();
    let failure = ask.failure().await;
    assert_eq!(failure.code, Code::TlsFailed);
    assert!(failure.message.contains("others may read the key"), "{failure}");
    if let Some(psql) = servers.primary.psql() {
        assert!(ask.psql(&psql).unwrap_err().contains("has group or world access"));
    }
}

#[tokio::test]
async fn a_service_fills_what_the_url_leaves_open_like_in_psql() {
    let servers = Servers::shared();
    let cases: &[Case] = &[
        ("service=shop", &[], Some("open postgres encrypted")),
        ("postgresql://?service=shop&sslmode=disable", &[], Some("open postgres plain")),
        ("postgresql:///alice?service=shop", &[], Some("open alice encrypted")),
        ("", &[("PGSERVICE", "shop"), ("PGDATABASE", "alice"), ("PGSSLMODE", "disable")], Some("open postgres plain")),
        ("service=absent", &[], None),
        ("service=nested", &[], None),
        ("service=unknown", &[], None),
        ("service=shop", &[("PGSERVICEFILE", "/nowhere/services")], None),
    ];
    let port = servers.primary.port;
    let file = format!(
        "# a comment\n[other]\nhost=nowhere.invalid\n\n[shop]\nhost=localhost\nport={port}  \nuser=open\ndbname=postgres\n\
         dbname=alice\n[nested]\nservice=shop\n[unknown]\nshoe=42\n[shop]\nuser=alice\n"
    );
    check(&servers, cases, |ask| ask.file(".pg_service.conf", &file)).await;
}

#[tokio::test]
async fn the_password_file_is_read_like_psql_reads_it() {
    let servers = Servers::shared();
    let port = servers.primary.port;
    let password = PASSWORD.replace('\\', r"\\").replace(':', r"\:");
    let socket = servers.primary.socket();
    let right = format!(
        "# a comment\nlocalhost:{port}:od d/b:alice:wrong\nlocalhost:1:*:alice:wrong\n*:*:*:bob:wrong\n\
         localhost:{port}:*:alice:{password}\n*:*:*:alice:wrong\n127.0.0.1:*:*:md5:{password}\n{socket}:*:*:over_socket:{password}\n"
    );
    let cases: &[Case] = &[
        ("{server} user=alice", &[], Some("alice postgres encrypted")),
        ("host=localhost port={port} user=alice dbname='od d/b'", &[], None),
        ("{server} host=127.0.0.1 user=alice", &[], None),
        ("{server} host=127.0.0.1 user=md5", &[], Some("md5 postgres encrypted")),
        ("hostaddr=127.0.0.1 port={port} user=md5 dbname=postgres", &[], Some("md5 postgres encrypted")),
        ("hostaddr=127.0.0.1 {server} user=alice", &[], Some("alice postgres encrypted")),
        ("host={socket} port={port} user=over_socket dbname=postgres", &[], Some("over_socket postgres plain")),
        ("{server} user=alice password=wrong", &[], None),
        ("{server} user=alice", &[("PGPASSFILE", "/nowhere/pgpass")], None),
        // Nobody listens on port 1; the second host has a line of its own.
        ("host=localhost,localhost port=1,{port} user=alice dbname=postgres", &[], Some("alice postgres encrypted")),
    ];
    check(&servers, cases, |ask| ask.file(".pgpass", &right)).await;

    let ask = Ask::new(&servers, "{server} user=alice", &[]).file(".pgpass", &right);
    fs::set_permissions(ask.home.path().join(".pgpass"), Permissions::from_mode(0o640)).unwrap();
    if let Some(psql) = servers.primary.psql() {
        assert!(ask.psql(&psql).unwrap_err().contains("has group or world access"));
    }
    let failure = ask.failure().await;
    assert_eq!(failure.code, Code::LoginRefused);
    assert!(failure.hint.unwrap().contains("chmod 0600"));
}

#[tokio::test]
async fn hosts_are_tried_in_order_until_one_is_of_the_wanted_kind_like_in_psql() {
    let cases: &[Case] = &[
        ("postgresql://open@localhost:1,localhost:{port}/postgres", &[], Some("open postgres encrypted")),
        ("postgresql://open@nowhere.invalid:1,localhost:{port}/postgres", &[], Some("open postgres encrypted")),
        ("postgresql://open@localhost:{standby},localhost:{port}/postgres", &[], Some("open postgres plain")),
        (
            "postgresql://open@localhost:{standby},localhost:{port}/postgres?target_session_attrs=read-write",
            &[],
            Some("open postgres encrypted"),
        ),
        (
            "postgresql://open@localhost:{standby},localhost:{port}/postgres",
            &[("PGTARGETSESSIONATTRS", "primary")],
            Some("open postgres encrypted"),
        ),
        (
            "postgresql://open@localhost:{port},localhost:{standby}/postgres?target_session_attrs=read-only",
            &[],
            Some("open postgres plain"),
        ),
        (
            "postgresql://open@localhost:{port},localhost:{standby}/postgres?target_session_attrs=standby",
            &[],
            Some("open postgres plain"),
        ),
        (
            "postgresql://open@localhost:{port},localhost:{standby}/postgres?target_session_attrs=prefer-standby",
            &[],
            Some("open postgres plain"),
        ),
        (
            "postgresql://open@localhost:{port}/postgres?target_session_attrs=prefer-standby",
            &[],
            Some("open postgres encrypted"),
        ),
        ("postgresql://open@localhost:{port}/postgres?target_session_attrs=standby", &[], None),
        ("postgresql://open@localhost:{standby}/postgres?target_session_attrs=read-write", &[], None),
        (
            "postgresql://open@localhost:{port}/postgres?target_session_attrs=read-write&options=-c%20default_transaction_read_only%3Don",
            &[],
            None,
        ),
        // A refused login ends the search.
        ("postgresql://alice:wrong@localhost:{port},localhost:{standby}/postgres", &[], None),
        ("host=localhost,localhost port={port} user=open dbname=postgres", &[], Some("open postgres encrypted")),
        ("host=localhost,localhost port=1,2,{port} user=open dbname=postgres", &[], None),
        ("host=localhost,localhost hostaddr=127.0.0.1 port={port} user=open dbname=postgres", &[], None),
    ];
    check(&Servers::shared(), cases, |ask| ask).await;
}
