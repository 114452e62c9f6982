//! Opening connections to a real server.

mod like_psql;

use std::time::Duration;

use tenantctl::error::Code;
use tenantctl::pg::connect::open;

use crate::support::ask::Ask;
use crate::support::tls_server::{PASSWORD, Servers};

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
            "pg_hba.conf",
        ),
        (
            "postgresql://only_tls:wrong@localhost:{port}/postgres",
            Code::LoginRefused,
            "failed for user \"only_tls\"; without TLS: ",
            "PGPASSWORD",
        ),
        (
            "postgresql://only_tls@localhost:{port}/postgres?sslmode=allow&sslrootcert={other}",
            Code::LoginRefused,
            "no encryption; over TLS: ",
            "pg_hba.conf",
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
            "sslrootcert",
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
        assert_eq!(failure.message.contains(" TLS: "), message.contains(" TLS: "), "one attempt is enough: {failure}");
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
        let mut sleeper = tokio::spawn(async move { opened.client.batch_execute("SELECT pg_sleep(60)").await });
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
