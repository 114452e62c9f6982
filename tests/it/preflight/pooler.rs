//! A pooler in transaction mode: after every transaction the client goes on with another backend.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;

use tenantctl::commands::conversion::{Conversion, Order};
use tenantctl::error::Code;
use tenantctl::pg::settings::{Environment, Settings};
use tenantctl::pg::{Access, Session};
use tenantctl::plan::Kind;
use tenantctl::sql::bookkeeping;

use super::{config, only, said, shop_with};
use crate::support::{Database, server};

/// Listens, and gives each client so many backends in turn; the settings that lead to it.
fn pooled(database: &Database<'_>, backends: usize) -> Settings {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = std::fs::read_dir(server().host())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|port| port.to_string_lossy().parse::<u16>().is_ok()))
        .unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let socket = socket.clone();
            // A client that leaves breaks its thread off in the middle of a message.
            thread::spawn(move || serve(client.unwrap(), || UnixStream::connect(&socket).unwrap(), backends).ok());
        }
    });
    let url = format!("postgresql://postgres@127.0.0.1:{port}/{}?sslmode=disable", database.name);
    Settings::resolve(Some(&url), &Environment::from_process()).unwrap()
}

/// Logs in to all backends with what the client says, then passes each transaction to the next one.
fn serve(mut client: TcpStream, dial: impl Fn() -> UnixStream, backends: usize) -> std::io::Result<()> {
    let length = length_of(&mut client)?;
    let startup = body(&mut client, length)?;
    let mut servers: Vec<UnixStream> = (0..backends).map(|_| dial()).collect();
    for (number, server) in servers.iter_mut().enumerate() {
        server.write_all(&length.to_be_bytes())?;
        server.write_all(&startup)?;
        let (greeting, _) = until_ready(server)?;
        if number == 0 {
            client.write_all(&greeting)?;
        }
    }
    let mut turn = 0;
    loop {
        let server = &mut servers[turn];
        // Messages up to the end of a request: a simple query, a sync, a farewell.
        loop {
            let (kind, message) = message(&mut client)?;
            server.write_all(&message)?;
            if matches!(kind, b'Q' | b'S' | b'X') {
                break;
            }
        }
        let (answer, idle) = until_ready(server)?;
        client.write_all(&answer)?;
        if idle {
            turn = (turn + 1) % servers.len();
        }
    }
}

/// Everything that a server says until it waits for the next request, and whether it is outside a transaction then.
fn until_ready(server: &mut UnixStream) -> std::io::Result<(Vec<u8>, bool)> {
    let mut all = Vec::new();
    loop {
        let (kind, message) = message(server)?;
        all.extend(&message);
        if kind == b'Z' {
            return Ok((all, message.last() == Some(&b'I')));
        }
    }
}

fn message(from: &mut impl Read) -> std::io::Result<(u8, Vec<u8>)> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    let length = length_of(from)?;
    let mut message = kind.to_vec();
    message.extend(length.to_be_bytes());
    message.extend(body(from, length)?);
    Ok((kind[0], message))
}

fn length_of(from: &mut impl Read) -> std::io::Result<u32> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    Ok(u32::from_be_bytes(length))
}

fn body(from: &mut impl Read, length: u32) -> std::io::Result<Vec<u8>> {
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body)?;
    Ok(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_transaction_pooler_the_plan_says_so_and_migrate_refuses() {
    let database = shop_with("").await;
    let settings = pooled(&database, 2);
    let session = Session::open(&settings, Access::Read).await.unwrap();
    let script = tenantctl::commands::planning::plan(&session, &config("")).await.unwrap().script;
    assert!(only(&script, Kind::Pooler).starts_with("a transaction pooler stands between"));
    assert_eq!(said(&script, Kind::PoolerSuspected), [""; 0], "once is enough");
    let refused = Conversion::open(&settings, &config(""), &Order::default()).await.err().unwrap();
    assert_eq!(refused.code, Code::PoolerBetween);
    assert_eq!(database.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'tenantctl'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_a_pooler_is_told_by_its_port() {
    let database = shop_with("").await;
    let session = Session::open(&pooled(&database, 1), Access::Read).await.unwrap();
    let script = tenantctl::commands::planning::plan(&session, &config("")).await.unwrap().script;
    let text = only(&script, Kind::PoolerSuspected);
    assert!(text.contains("was reached at a Unix socket: something stands between"), "{text}");
    assert_eq!(said(&script, Kind::Pooler), [""; 0]);
}

#[tokio::test]
async fn time_limits_that_the_role_inherits_do_not_end_our_sessions() {
    let database = shop_with("").await;
    let role = format!("hasty_{}", database.name);
    let newer = if server().major() >= 17 {
        format!("ALTER ROLE {role} SET transaction_timeout = '1s';")
    } else {
        String::new()
    };
    database
        .run(&format!("CREATE ROLE {role} SUPERUSER LOGIN; ALTER ROLE {role} SET idle_session_timeout = '1s'; {newer}"))
        .await;
    let session = Session::open(&database.settings_as(&role), Access::Write).await.unwrap();
    let limits = "SELECT count(*) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout') AND setting <> '0'";
    let rows = session.rows(&bookkeeping::history_from_refinery(limits)).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 0);
}
