//! Opening connections to a real server, and the same with psql for comparison.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tenantctl::error::{Code, Failure};
use tenantctl::pg::connect::{Encryption, Opened, open};
use tenantctl::pg::settings::{Environment, Settings};

use crate::support::tls_server::{PASSWORD, Servers};

const ENCODED: &str = "p%40s%3As%2Fw'o%5Cr%20d%25%3F%23%26%3D%C3%A9";
const ENCRYPTED: &str = "encrypted";
const PLAIN: &str = "plain";

/// One way to ask for a connection, with a home directory of its own.
struct Ask<'a> {
    servers: &'a Servers,
    home: TempDir,
    url: Option<String>,
    variables: BTreeMap<String, String>,
}

impl<'a> Ask<'a> {
    /// `{port}`, `{root}` and the like stand for what is only known now.
    fn new(servers: &'a Servers, url: &str, variables: &[(&str, &str)]) -> Self {
        let fill = |text: &str| {
            text.replace("{port}", &servers.primary.port.to_string())
                .replace("{standby}", &servers.standby.port.to_string())
                .replace("{socket}", servers.primary.socket())
                .replace("{socket_encoded}", &servers.primary.socket().replace('/', "%2F"))
                .replace("{root}", &servers.file("root.crt"))
                .replace("{other}", &servers.file("other-root.crt"))
                .replace("{client}", &servers.file("client.crt"))
                .replace("{key}", &servers.file("client.key"))
                .replace("{password}", PASSWORD)
                .replace("{quoted}", &PASSWORD.replace('\\', r"\\").replace('\'', r"\'"))
                .replace("{encoded}", ENCODED)
        };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), fill(value))).collect();
        let home = tempfile::tempdir().unwrap();
        Ask { servers, home, url: (!url.is_empty()).then(|| fill(url)), variables }
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        self
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let mut env = Environment::from_process();
        env.variables = self.variables.clone();
        env.home = Some(self.home.path().to_owned());
        Settings::resolve(self.url.as_deref(), &env)
    }

    async fn open(&self) -> Result<Opened, Failure> {
        open(&self.settings()?).await
    }

    async fn failure(&self) -> Failure {
        let failure = self.open().await.err().expect("the connection should fail");
        for secret in [PASSWORD, ENCODED] {
            let said = format!("{failure:?}");
            assert!(!said.contains(secret), "{said}");
        }
        failure
    }

    /// `user database encryption`, as the server sees it.
    async fn seen(&self) -> Option<String> {
        let opened = self.open().await.inspect_err(|failure| eprintln!("{failure}")).ok()?;
        let row = opened.client.query_one(SEEN, &[]).await.unwrap();
        let seen: String = row.get(0);
        assert_eq!(seen.ends_with(ENCRYPTED), opened.encryption == Encryption::Tls);
        Some(seen)
    }

    /// The same through psql.
    fn psql(&self, psql: &Path) -> Option<String> {
        let mut command = Command::new(psql);
        command
            .args(["-X", "-w", "-A", "-t", "-c", SEEN])
            .env_clear()
            .envs(&self.variables)
            .env("HOME", self.home.path());
        if let Some(url) = &self.url {
            command.args(["-d", url]);
        }
        let output = command.output().unwrap();
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }
}

const SEEN: &str = "SELECT concat_ws(' ', current_user, current_database(), \
    (SELECT CASE WHEN ssl THEN 'encrypted' ELSE 'plain' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()))";

/// The URL, the variables, and what both of us and psql have to see: `user database encryption`, or nothing at all.
type Case = (&'static str, &'static [(&'static str, &'static str)], Option<(&'static str, &'static str, &'static str)>);

async fn check(servers: &Servers, cases: &[Case], prepare: impl Fn(Ask<'_>) -> Ask<'_>) {
    for (url, variables, expected) in cases {
        let ask = prepare(Ask::new(servers, url, variables));
        let expected = expected.map(|(user, database, how)| format!("{user} {database} {how}"));
        eprintln!("-- {url} {variables:?}");
        assert_eq!(ask.seen().await, expected, "we, with {url:?} {variables:?}");
        if let Some(psql) = servers.primary.psql() {
            assert_eq!(ask.psql(&psql), expected, "psql, with {url:?} {variables:?}");
        }
    }
}

#[tokio::test]
async fn urls_strings_and_variables_lead_where_they_lead_psql() {
    let plain: &[Case] = &[
        ("postgresql://open@localhost:{port}/postgres", &[], Some(("open", "postgres", ENCRYPTED))),
        ("postgres://open@localhost:{port}/postgres?sslmode=disable", &[], Some(("open", "postgres", PLAIN))),
        ("postgresql://alice:{encoded}@localhost:{port}/", &[], Some(("alice", "alice", ENCRYPTED))),
        ("postgresql://alice:{encoded}@localhost:{port}/od%20d%2Fb", &[], Some(("alice", "od d/b", ENCRYPTED))),
        ("postgresql:///postgres?host={socket}&port={port}&user=postgres", &[], Some(("postgres", "postgres", PLAIN))),
        ("postgresql://open@{socket_encoded}:{port}/postgres?sslmode=require", &[], Some(("open", "postgres", PLAIN))),
        ("postgresql://open@/postgres?host=localhost&port={port}", &[], Some(("open", "postgres", ENCRYPTED))),
        ("postgresql://open@localhost:{port}/postgres?ssl=true", &[], Some(("open", "postgres", ENCRYPTED))),
        ("postgresql://open@localhost:{port}/postgres?shoe=42", &[], None),
        ("postgresql://open@localhost:{port}/postgres?sslmode=maybe", &[], None),
        ("postgresql://open@localhost:{port}/postgres?gssencmode=require", &[], None),
        ("postgresql://open@localhost:99999/postgres", &[], None),
        (
            "host=localhost port={port} user=alice password='{quoted}' dbname = postgres",
            &[],
            Some(("alice", "postgres", ENCRYPTED)),
        ),
        (
            "host=localhost port={port} user=md5 password='{quoted}' dbname=postgres",
            &[],
            Some(("md5", "postgres", ENCRYPTED)),
        ),
        ("host=localhost port={port} user=alice password=wrong dbname=postgres", &[], None),
        ("host=localhost port={port} user=alice dbname=postgres", &[], None),
        ("host=localhost port={port} user=nobody-of-that-name dbname=postgres", &[], None),
        ("host=localhost port={port} user=open dbname=missing", &[], None),
        ("host=localhost port={port} user=full dbname=postgres", &[], None),
        (
            "host=nowhere.invalid hostaddr=127.0.0.1 port={port} user=open dbname=postgres",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        ("hostaddr=127.0.0.1 port={port} user=open dbname=postgres", &[], Some(("open", "postgres", ENCRYPTED))),
        ("host=nowhere.invalid port={port} user=open dbname=postgres", &[], None),
        (
            "",
            &[("PGHOST", "localhost"), ("PGPORT", "{port}"), ("PGUSER", "alice"), ("PGPASSWORD", "{password}")],
            Some(("alice", "alice", ENCRYPTED)),
        ),
        (
            "postgresql://localhost/postgres?sslmode=disable",
            &[("PGPORT", "{port}"), ("PGUSER", "alice"), ("PGPASSWORD", "{password}"), ("PGSSLMODE", "require")],
            Some(("alice", "postgres", PLAIN)),
        ),
        (
            "user=open dbname=postgres",
            &[("PGHOST", ""), ("PGHOSTADDR", "127.0.0.1"), ("PGPORT", "{port}"), ("PGSSLMODE", "allow")],
            Some(("open", "postgres", PLAIN)),
        ),
        ("host=localhost port={port} user=open dbname=postgres", &[("PGOPTIONS", "-c role=nobody-of-that-name")], None),
        // The port list of a URL is a list even where it is empty, so PGPORT does not count.
        ("postgresql://open@localhost,localhost/postgres", &[("PGPORT", "{port}")], None),
    ];
    check(&Servers::shared(), plain, |ask| ask).await;
}

#[tokio::test]
async fn sslmode_accepts_and_refuses_what_it_does_in_psql() {
    let cases: &[Case] = &[
        (
            "host=localhost port={port} user=open dbname=postgres sslmode=disable",
            &[],
            Some(("open", "postgres", PLAIN)),
        ),
        ("host=localhost port={port} user=open dbname=postgres sslmode=allow", &[], Some(("open", "postgres", PLAIN))),
        (
            "host=localhost port={port} user=open dbname=postgres sslmode=prefer",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        (
            "host=localhost port={port} user=open dbname=postgres sslmode=require",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        ("host=localhost port={port} user=open dbname=postgres sslmode=verify-ca", &[], None),
        (
            "host=localhost port={port} user=open dbname=postgres sslmode=verify-ca sslrootcert={root}",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        (
            "host=127.0.0.1 port={port} user=open dbname=postgres sslmode=verify-ca sslrootcert={root}",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        ("host=localhost port={port} user=open dbname=postgres sslmode=verify-ca sslrootcert={other}", &[], None),
        (
            "host=localhost port={port} user=open dbname=postgres sslmode=verify-full",
            &[("PGSSLROOTCERT", "{root}")],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        ("host=127.0.0.1 port={port} user=open dbname=postgres sslmode=verify-full sslrootcert={root}", &[], None),
        (
            "hostaddr=127.0.0.1 host=localhost port={port} user=open dbname=postgres sslmode=verify-full sslrootcert={root}",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        ("host=localhost port={port} user=open dbname=postgres sslmode=verify-full sslrootcert={other}", &[], None),
        (
            "host=localhost port={port} user=open dbname=postgres sslmode=require sslrootcert={root}",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        (
            "host=127.0.0.1 port={port} user=open dbname=postgres sslmode=require sslrootcert={root}",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        ("host=localhost port={port} user=open dbname=postgres sslmode=require sslrootcert={other}", &[], None),
        (
            "host=localhost port={port} user=open dbname=postgres sslmode=prefer sslrootcert={other}",
            &[],
            Some(("open", "postgres", PLAIN)),
        ),
        (
            "host=localhost port={port} user=open dbname=postgres sslmode=require sslrootcert=/nowhere/root.crt",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        ("host=localhost port={standby} user=open dbname=postgres sslmode=require", &[], None),
        (
            "host=localhost port={standby} user=open dbname=postgres sslmode=prefer",
            &[],
            Some(("open", "postgres", PLAIN)),
        ),
        (
            "host=localhost port={standby} user=open dbname=postgres sslmode=allow",
            &[],
            Some(("open", "postgres", PLAIN)),
        ),
        // The server lets these log in with, or without, encryption only.
        (
            "host=localhost port={port} user=only_tls dbname=postgres sslmode=allow",
            &[("PGPASSWORD", "{password}")],
            Some(("only_tls", "postgres", ENCRYPTED)),
        ),
        (
            "host=localhost port={port} user=only_tls dbname=postgres sslmode=disable",
            &[("PGPASSWORD", "{password}")],
            None,
        ),
        (
            "host=localhost port={port} user=only_plain dbname=postgres sslmode=prefer",
            &[("PGPASSWORD", "{password}")],
            Some(("only_plain", "postgres", PLAIN)),
        ),
        (
            "host=localhost port={port} user=only_plain dbname=postgres sslmode=require",
            &[("PGPASSWORD", "{password}")],
            None,
        ),
        // Binding the password to the channel.
        (
            "host=localhost port={port} user=alice dbname=postgres channel_binding=require",
            &[("PGPASSWORD", "{password}")],
            Some(("alice", "postgres", ENCRYPTED)),
        ),
        (
            "host=localhost port={port} user=alice dbname=postgres sslmode=disable",
            &[("PGPASSWORD", "{password}"), ("PGCHANNELBINDING", "require")],
            None,
        ),
        // Client certificates.
        ("host=localhost port={port} user=with_certificate dbname=postgres", &[], None),
        (
            "host=localhost port={port} user=with_certificate dbname=postgres sslcert={client} sslkey={key}",
            &[],
            Some(("with_certificate", "postgres", ENCRYPTED)),
        ),
        (
            "host=localhost port={port} user=with_certificate dbname=postgres sslmode=require",
            &[("PGSSLCERT", "{client}"), ("PGSSLKEY", "{key}")],
            Some(("with_certificate", "postgres", ENCRYPTED)),
        ),
        (
            "host=localhost port={port} user=with_certificate dbname=postgres sslmode=require sslcert={client}",
            &[],
            None,
        ),
        ("host=localhost port={port} user=with_certificate dbname=postgres sslcert=/nowhere/client.crt", &[], None),
    ];
    check(&Servers::shared(), cases, |ask| ask).await;
}

#[tokio::test]
async fn a_root_certificate_at_home_is_believed_like_psql_believes_it() {
    let servers = Servers::shared();
    let cases: &[Case] = &[
        (
            "host=localhost port={port} user=open dbname=postgres sslmode=verify-full",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        ("host=127.0.0.1 port={port} user=open dbname=postgres sslmode=verify-full", &[], None),
        ("host=localhost port={port} user=open dbname=postgres sslmode=require sslrootcert={other}", &[], None),
    ];
    let root = fs::read_to_string(servers.file("root.crt")).unwrap();
    check(&servers, cases, |ask| ask.file(".postgresql/root.crt", &root)).await;
    let other = fs::read_to_string(servers.file("other-root.crt")).unwrap();
    let cases: &[Case] = &[("host=localhost port={port} user=open dbname=postgres sslmode=require", &[], None)];
    check(&servers, cases, |ask| ask.file(".postgresql/root.crt", &other)).await;
}

#[tokio::test]
async fn a_service_fills_what_the_url_leaves_open_like_in_psql() {
    let servers = Servers::shared();
    let cases: &[Case] = &[
        ("service=shop", &[], Some(("open", "postgres", ENCRYPTED))),
        ("postgresql://?service=shop&sslmode=disable", &[], Some(("open", "postgres", PLAIN))),
        ("postgresql:///alice?service=shop", &[], Some(("open", "alice", ENCRYPTED))),
        (
            "",
            &[("PGSERVICE", "shop"), ("PGDATABASE", "alice"), ("PGSSLMODE", "disable")],
            Some(("open", "postgres", PLAIN)),
        ),
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
        ("host=localhost port={port} user=alice dbname=postgres", &[], Some(("alice", "postgres", ENCRYPTED))),
        ("host=localhost port={port} user=alice dbname='od d/b'", &[], None),
        ("host=127.0.0.1 port={port} user=alice dbname=postgres", &[], None),
        ("host=127.0.0.1 port={port} user=md5 dbname=postgres", &[], Some(("md5", "postgres", ENCRYPTED))),
        ("hostaddr=127.0.0.1 port={port} user=md5 dbname=postgres", &[], Some(("md5", "postgres", ENCRYPTED))),
        (
            "hostaddr=127.0.0.1 host=localhost port={port} user=alice dbname=postgres",
            &[],
            Some(("alice", "postgres", ENCRYPTED)),
        ),
        ("host={socket} port={port} user=over_socket dbname=postgres", &[], Some(("over_socket", "postgres", PLAIN))),
        ("host=localhost port={port} user=alice dbname=postgres password=wrong", &[], None),
        ("host=localhost port={port} user=alice dbname=postgres", &[("PGPASSFILE", "/nowhere/pgpass")], None),
        // Nobody listens on port 1; the second host has a line of its own.
        (
            "host=localhost,localhost port=1,{port} user=alice dbname=postgres",
            &[],
            Some(("alice", "postgres", ENCRYPTED)),
        ),
    ];
    check(&servers, cases, |ask| ask.file(".pgpass", &right)).await;

    let loose = |ask: Ask<'static>| ask;
    let _ = loose;
    let ask = Ask::new(&servers, "host=localhost port={port} user=alice dbname=postgres", &[]).file(".pgpass", &right);
    fs::set_permissions(ask.home.path().join(".pgpass"), Permissions::from_mode(0o640)).unwrap();
    assert_eq!(ask.seen().await, None);
    assert_eq!(servers.primary.psql().and_then(|psql| ask.psql(&psql)), None);
    let failure = ask.failure().await;
    assert_eq!(failure.code, Code::LoginRefused);
    assert!(failure.hint.unwrap().contains("chmod 0600"));
}

#[tokio::test]
async fn hosts_are_tried_in_order_until_one_is_of_the_wanted_kind_like_in_psql() {
    let cases: &[Case] = &[
        ("postgresql://open@localhost:1,localhost:{port}/postgres", &[], Some(("open", "postgres", ENCRYPTED))),
        ("postgresql://open@nowhere.invalid:1,localhost:{port}/postgres", &[], Some(("open", "postgres", ENCRYPTED))),
        ("postgresql://open@localhost:{standby},localhost:{port}/postgres", &[], Some(("open", "postgres", PLAIN))),
        (
            "postgresql://open@localhost:{standby},localhost:{port}/postgres?target_session_attrs=read-write",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        (
            "postgresql://open@localhost:{standby},localhost:{port}/postgres",
            &[("PGTARGETSESSIONATTRS", "primary")],
            Some(("open", "postgres", ENCRYPTED)),
        ),
        (
            "postgresql://open@localhost:{port},localhost:{standby}/postgres?target_session_attrs=read-only",
            &[],
            Some(("open", "postgres", PLAIN)),
        ),
        (
            "postgresql://open@localhost:{port},localhost:{standby}/postgres?target_session_attrs=standby",
            &[],
            Some(("open", "postgres", PLAIN)),
        ),
        (
            "postgresql://open@localhost:{port},localhost:{standby}/postgres?target_session_attrs=prefer-standby",
            &[],
            Some(("open", "postgres", PLAIN)),
        ),
        (
            "postgresql://open@localhost:{port}/postgres?target_session_attrs=prefer-standby",
            &[],
            Some(("open", "postgres", ENCRYPTED)),
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
        ("host=localhost,localhost port={port} user=open dbname=postgres", &[], Some(("open", "postgres", ENCRYPTED))),
        ("host=localhost,localhost port=1,2,{port} user=open dbname=postgres", &[], None),
        ("host=localhost,localhost hostaddr=127.0.0.1 port={port} user=open dbname=postgres", &[], None),
    ];
    check(&Servers::shared(), cases, |ask| ask).await;
}

#[tokio::test]
async fn failures_say_what_was_tried_and_what_to_do() {
    let servers = Servers::shared();
    let cases: &[(&str, Code, &str, &str)] = &[
        (
            "postgresql://open@localhost:1,127.0.0.1:2/postgres",
            Code::ConnectionFailed,
            "127.0.0.1:2: Connection refused",
            "is reachable",
        ),
        (
            "host=/nowhere user=open dbname=postgres",
            Code::ConnectionFailed,
            "/nowhere:5432: No such file",
            "server runs",
        ),
        (
            "postgresql://open@nowhere.invalid/postgres",
            Code::ConnectionFailed,
            "nowhere.invalid:5432: ",
            "is reachable",
        ),
        (
            "postgresql://alice:{encoded}x@localhost:{port}/postgres",
            Code::LoginRefused,
            "as alice: password authentication failed",
            "PGPASSWORD",
        ),
        (
            "postgresql://alice@localhost:{port}/postgres",
            Code::LoginRefused,
            "as alice: password missing",
            "add a line for this login",
        ),
        (
            "postgresql://only_tls@localhost:{port}/postgres?sslmode=disable",
            Code::LoginRefused,
            "no pg_hba.conf entry",
            "password",
        ),
        (
            "postgresql://open@localhost:{port}/missing",
            Code::ConnectionFailed,
            "\"missing\" does not exist",
            "createdb",
        ),
        (
            "postgresql://full@localhost:{port}/postgres",
            Code::ConnectionFailed,
            "too many connections",
            "limit of the role",
        ),
        (
            "postgresql://open@localhost:{standby}/postgres?sslmode=require",
            Code::TlsFailed,
            "sslmode=require): localhost",
            "switch on ssl",
        ),
        (
            "postgresql://open@localhost:{port}/postgres?sslmode=verify-ca",
            Code::TlsFailed,
            "root.crt does not exist",
            "sslrootcert",
        ),
        (
            "postgresql://open@localhost:{port}/postgres?sslmode=verify-ca&sslrootcert={other}",
            Code::TlsFailed,
            "sslmode=verify-ca",
            "authority that signed",
        ),
        (
            "postgresql://open@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={root}",
            Code::TlsFailed,
            "sslmode=verify-full",
            "subjectAltName",
        ),
        (
            "postgresql://open@localhost:{port}/postgres?sslrootcert=system",
            Code::TlsFailed,
            "sslmode=verify-full",
            "authority that signed",
        ),
        (
            "postgresql://open@localhost:{port}/postgres?target_session_attrs=standby",
            Code::ConnectionFailed,
            "is not a standby",
            "target_session_attrs",
        ),
    ];
    for (url, code, message, hint) in cases {
        let failure = Ask::new(&servers, url, &[]).failure().await;
        assert_eq!(failure.code, *code, "{url}: {failure}");
        assert!(failure.message.contains(message), "{url}: {failure}");
        let advice = failure.hint.unwrap();
        assert!(advice.contains(hint), "{url}: {advice}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let servers = Servers::shared();
    let url = format!("host=127.0.0.1,127.0.0.1 port={port},{{port}} user=open dbname=postgres connect_timeout=2");
    assert_eq!(Ask::new(&servers, &url, &[]).seen().await.unwrap(), "open postgres encrypted");
    let url = format!("host=127.0.0.1 port={port} user=open connect_timeout=1");
    let failure = Ask::new(&servers, &url, &[]).failure().await;
    assert!(failure.message.contains("no answer within 1 s"), "{failure}");
}

#[tokio::test]
async fn a_running_query_is_cancelled_with_and_without_encryption() {
    let servers = Servers::shared();
    for url in ["postgresql://open@localhost:{port}/postgres", "postgresql://open@/postgres?host={socket}&port={port}"]
    {
        let opened = Ask::new(&servers, url, &[]).open().await.unwrap();
        let canceller = opened.canceller.clone();
        let sleeper = tokio::spawn(async move { opened.client.batch_execute("SELECT pg_sleep(60)").await });
        let mut sleeper = sleeper;
        let error = loop {
            canceller.cancel().await.unwrap();
            // The query may not have begun when the first request arrives.
            if let Ok(done) = tokio::time::timeout(Duration::from_millis(200), &mut sleeper).await {
                break done.unwrap().unwrap_err();
            }
        };
        assert_eq!(error.code().unwrap().code(), "57014");
    }
}

#[tokio::test]
async fn the_end_of_a_connection_is_told() {
    let servers = Servers::shared();
    let victim = Ask::new(&servers, "postgresql://open@localhost:{port}/postgres", &[]).open().await.unwrap();
    let mut ending = victim.ending.clone();
    assert!(ending.now().is_none());
    let pid: i32 = victim.client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let admin =
        Ask::new(&servers, "postgresql://postgres@/postgres?host={socket}&port={port}", &[]).open().await.unwrap();
    admin.client.execute("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
    let failure = ending.wait().await;
    assert_eq!(failure.code, Code::ConnectionLost);
    assert!(failure.message.contains("as open broke: terminating connection"), "{failure}");
    assert_eq!(victim.ending.now().unwrap().message, failure.message);
}

#[tokio::test]
async fn another_database_and_application_name_keep_the_login() {
    let servers = Servers::shared();
    let password = PASSWORD.replace('\\', r"\\").replace(':', r"\:");
    let ask = Ask::new(&servers, "host=localhost port={port} user=alice dbname=postgres", &[])
        .file(".pgpass", &format!("*:*:postgres:*:wrong\n*:*:alice:*:{password}\n"));
    let settings = ask.settings().unwrap().with_database("alice").with_application_name("tenantctl backfill");
    let opened = open(&settings).await.unwrap();
    let row = opened.client.query_one("SELECT current_setting('application_name')", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "tenantctl backfill");
}
