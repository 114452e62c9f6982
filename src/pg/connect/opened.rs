//! An open connection: the client, the way to cancel what it does, and the news that it ended.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_postgres::{CancelToken, Client, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::cause;
use crate::error::{Code, Failure};
use crate::pg::settings::{Host, Place, Settings};

/// An open connection. Dropping the client closes it.
pub struct Opened {
    /// What to ask questions with.
    pub client: Client,
    /// Cancels the running query, from outside.
    pub canceller: Canceller,
    /// Tells that the connection ended.
    pub ending: Ending,
    /// Whether it is encrypted.
    pub encryption: Encryption,
    /// The server that was chosen, `host:port`.
    pub server: String,
    /// The port that was dialled; nothing for a socket.
    pub port: Option<u16>,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It is not.
    Plain,
    /// It is, with TLS.
    Tls,
}

impl Opened {
    /// Lets the connection run in a task of its own.
    pub(super) fn new<S, T>(
        settings: &Settings,
        host: &Host,
        client: Client,
        connection: Connection<S, T>,
        tls: Option<MakeRustlsConnect>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = host.to_string();
        let what = format!("the connection to {server}/{} as {}", settings.database, settings.user);
        let (sender, receiver) = watch::channel(None);
        tokio::spawn(async move {
            let how = match run(connection).await {
                Ok(()) => "was closed".to_owned(),
                Err(error) => format!("broke: {}", cause(&error)),
            };
            sender.send_replace(Some(format!("{what} {how}")));
        });
        Opened {
            canceller: Canceller { token: client.cancel_token(), tls: tls.clone(), server: server.clone() },
            client,
            ending: Ending(receiver),
            encryption: if tls.is_some() { Encryption::Tls } else { Encryption::Plain },
            server,
            port: (!matches!(host.place, Place::Socket(_))).then_some(host.port),
        }
    }
}

/// Drives the connection to its end. Notices are dropped: they may quote rows, and nobody asked for them.
async fn run<S, T>(mut connection: Connection<S, T>) -> Result<(), tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        message?;
    }
    Ok(())
}

/// Cancels the running query of a connection, over a connection that is encrypted in the same way.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    tls: Option<MakeRustlsConnect>,
    server: String,
}

impl Canceller {
    /// Asks the server to cancel. That it was asked does not mean that there was something to cancel.
    pub async fn cancel(&self) -> Result<(), Failure> {
        let asked = async {
            match &self.tls {
                Some(tls) => self.token.cancel_query(tls.clone()).await,
                None => self.token.cancel_query(NoTls).await,
            }
        };
        let why = match timeout(Duration::from_secs(10), asked).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => cause(&error),
            Err(_) => "no answer within 10 s".to_owned(),
        };
        Err(Failure::new(Code::ConnectionFailed, format!("cancelling the running query on {}: {why}", self.server))
            .hint("the query may still run; pg_stat_activity shows it, and pg_cancel_backend() ends it"))
    }
}

/// Tells that a connection ended, however it did.
#[derive(Clone)]
pub struct Ending(watch::Receiver<Option<String>>);

impl Ending {
    /// Why the connection ended, if it has.
    pub fn now(&self) -> Option<Failure> {
        self.0.borrow().as_deref().map(lost)
    }

    /// Waits until the connection ends.
    pub async fn wait(&mut self) -> Failure {
        match self.0.wait_for(Option::is_some).await {
            Ok(how) => lost(how.as_deref().unwrap_or_default()),
            // The runtime is being shut down, and the task with it.
            Err(_) => lost("the connection was closed"),
        }
    }
}

fn lost(how: &str) -> Failure {
    Failure::new(Code::ConnectionLost, how).hint("check the server and the network; then run the same command again")
}
