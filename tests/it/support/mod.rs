//! What the tests share: a throw-away server, fresh databases on it, and a picture of a database as text.

pub mod app;
pub mod ask;
pub mod cli;
pub mod dump;
pub mod lockstep;
pub mod plan;
pub mod run;
pub mod schema;
pub mod tls_server;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tenantctl::embedded::{self, Durability, Options};
use tenantctl::pg::settings::{Environment, Settings};
use tokio_postgres::{Client, NoTls};

/// A throw-away PostgreSQL, gone when it is dropped or the test process ends.
pub struct Server(embedded::Server);

impl Server {
    /// Starts one for a test that looks at the whole server.
    pub fn start() -> Self {
        Server::with(&[("shared_buffers", "16MB"), ("autovacuum", "off"), ("log_line_prefix", "%a|")])
    }

    /// Starts one with settings of its own.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Server::of(Durability::Careless, settings)
    }

    /// Starts one that treats what it writes like this.
    pub fn of(durability: Durability, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Server(embedded::Server::start(&Options { settings, durability }).unwrap())
    }

    /// Connects as `role`; its name for the server's log is `application`.
    pub async fn connect(&self, role: &str, application: &str) -> Client {
        connect(&self.0, role, application, "postgres").await
    }

    /// Connects as `role` to a database.
    pub async fn client(&self, role: &str, application: &str, database: &str) -> Client {
        connect(&self.0, role, application, database).await
    }

    /// The directory of the socket.
    pub fn host(&self) -> String {
        self.0.host().to_str().unwrap().to_owned()
    }

    /// The connection string of one of its databases.
    pub fn url(&self, database: &str) -> String {
        self.0.url(database)
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.0.log_path()).unwrap()
    }

    /// Its major version.
    pub fn major(&self) -> u32 {
        self.0.version() / 10_000
    }

    /// The fixture `saas25` with so many rows.
    pub async fn saas25(&self, rows: u32) -> Database<'_> {
        let database = self.database().await;
        let client = database.client("load").await;
        client.batch_execute(&fixture("schema.sql")).await.unwrap();
        client.batch_execute(&format!("SET seed.rows = {rows}; {}", fixture("seed.sql"))).await.unwrap();
        database
    }

    /// A new, empty database on it.
    pub async fn database(&self) -> Database<'_> {
        self.copy_of("template1").await
    }

    /// A new database with everything that a template has.
    pub async fn copy_of(&self, template: &str) -> Database<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let admin = self.connect("postgres", "test").await;
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
        Database { server: self, name }
    }
}

async fn connect(server: &embedded::Server, role: &str, application: &str, database: &str) -> Client {
    try_connect(server, role, application, database).await.unwrap()
}

async fn try_connect(
    server: &embedded::Server,
    role: &str,
    application: &str,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(server.host()).user(role).dbname(database).application_name(application);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The server that tests with a database of their own share. A static is never dropped: the server goes with the process.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        Server::with(&[
            ("shared_buffers", "128MB"),
            ("autovacuum", "off"),
            ("max_connections", "200"),
            ("log_line_prefix", "%a|"),
        ])
    })
}

/// A database of one test.
pub struct Database<'a> {
    server: &'a Server,
    pub name: String,
}

impl Database<'_> {
    /// The fixture `saas25` with so many rows.
    pub async fn saas25(rows: u32) -> Database<'static> {
        server().saas25(rows).await
    }

    /// A fresh copy of this one; nobody may be connected to it.
    pub async fn copy(&self) -> Self {
        self.server.copy_of(&self.name).await
    }

    /// Drops it; a test that makes hundreds would fill the disk.
    pub async fn remove(self) {
        let admin = self.server.connect("postgres", "test").await;
        admin.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await.unwrap();
    }

    /// Connects as the superuser.
    pub async fn client(&self, application: &str) -> Client {
        self.client_as("postgres", application).await
    }

    /// Connects as `role`.
    pub async fn client_as(&self, role: &str, application: &str) -> Client {
        connect(&self.server.0, role, application, &self.name).await
    }

    /// The connection string.
    pub fn url(&self) -> String {
        self.server.0.url(&self.name)
    }

    /// The same, resolved.
    pub fn settings(&self) -> Settings {
        self.settings_as("postgres")
    }

    /// The same for another role.
    pub fn settings_as(&self, role: &str) -> Settings {
        let url = self.url().replacen("//postgres@", &format!("//{role}@"), 1);
        Settings::resolve(Some(&url), &Environment::from_process()).unwrap()
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) {
        self.client("test").await.batch_execute(sql).await.unwrap();
    }

    /// Runs statements from a place that cannot wait, such as an observer.
    pub fn run_now(&self, sql: &str) {
        now(self.run(sql));
    }

    /// Waits until the server takes connections again.
    pub async fn answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Err(error) = try_connect(&self.server.0, "postgres", "test", &self.name).await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a query's number is not zero.
    pub async fn until(&self, sql: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.number(sql).await == 0 {
            assert!(Instant::now() < deadline, "never: {sql}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The one number that a query answers.
    pub async fn number(&self, sql: &str) -> i64 {
        self.client("test").await.query_one(sql, &[]).await.unwrap().get(0)
    }
}

/// Waits where one cannot, such as in an observer: only the run is held up meanwhile, not its connections. Needs a
/// runtime of several threads.
pub fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}

/// A file of the fixture `saas25`.
pub fn fixture(file: &str) -> String {
    std::fs::read_to_string(format!("{}/fixtures/saas25/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
