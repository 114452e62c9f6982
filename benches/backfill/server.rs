//! The one server that everything runs on, and its databases.

use std::time::Duration;

use anyhow::Context;
use tenantctl::embedded::{self, Durability, Options};
use tenantctl::pg::settings::{Environment, Settings};
use tokio_postgres::{Client, NoTls};

use super::scenario::Scenario;

/// The filled tables before any conversion.
const BASE: &str = "base";
/// The copy that is converted.
const WORK: &str = "work";

/// As on a server of one's own, with room in the WAL for a whole run: a checkpoint in the middle of one way and not of
/// another would be luck. Autovacuum is off for the same reason; what each way leaves behind is counted instead.
const SETTINGS: [(&str, &str); 8] = [
    ("shared_buffers", "2GB"),
    ("max_wal_size", "8GB"),
    ("min_wal_size", "2GB"),
    ("checkpoint_timeout", "30min"),
    ("checkpoint_completion_target", "0.9"),
    ("synchronous_commit", "on"),
    ("max_connections", "50"),
    ("autovacuum", "off"),
];

/// The server.
pub struct Server {
    server: embedded::Server,
    /// Its settings that are not PostgreSQL's defaults.
    pub settings: Vec<(String, String)>,
}

impl Server {
    /// Starts it; the last setting of a name wins.
    pub fn start(more: &[(String, String)]) -> anyhow::Result<Self> {
        let mut settings: Vec<_> = SETTINGS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        for (name, value) in more {
            settings.retain(|(known, _)| known != name);
            settings.push((name.clone(), value.clone()));
        }
        let options = Options { settings: settings.clone(), durability: Durability::Durable };
        Ok(Server { server: embedded::Server::start(&options)?, settings })
    }

    /// Its version, as `server_version_num` says it.
    pub fn version(&self) -> u32 {
        self.server.version()
    }

    /// What spoils a comparison, where the settings do.
    pub fn remark(&self) -> Option<String> {
        let on = self.settings.iter().any(|(name, value)| name == "autovacuum" && value != "off");
        on.then(|| "autovacuum is on: what is left behind depends on when it came by".to_owned())
    }

    /// Makes the tables of a scenario, in the place of those of an earlier one.
    pub async fn fill(&self, scenario: &Scenario) -> anyhow::Result<()> {
        let admin = self.client("postgres").await?;
        for name in [WORK, BASE] {
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        }
        admin.batch_execute(&format!("CREATE DATABASE {BASE}")).await?;
        let base = self.client(BASE).await?;
        for statement in scenario.schema() {
            base.batch_execute(&statement).await.with_context(|| statement.clone())?;
        }
        Ok(())
    }

    /// A fresh copy of those tables on a server that has nothing else to do.
    pub async fn copy(&self, scenario: &Scenario) -> anyhow::Result<Database<'_>> {
        let admin = self.client("postgres").await?;
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {WORK} WITH (FORCE)")).await?;
        // Copying files, as every version did before 15, does not fill the WAL and the cache with the copy.
        let strategy = if self.version() >= 150_000 { "STRATEGY FILE_COPY" } else { "" };
        admin.batch_execute(&format!("CREATE DATABASE {WORK} TEMPLATE {BASE} {strategy}")).await?;
        for setting in scenario.settings() {
            admin.batch_execute(&format!("ALTER DATABASE {WORK} SET {setting}")).await?;
        }
        Ok(Database { server: self, url: self.server.url(WORK) })
    }

    /// Connects to one of its databases as the superuser.
    pub async fn client(&self, database: &str) -> anyhow::Result<Client> {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.server.host()).user(self.server.user()).dbname(database);
        config.application_name("benchmark");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// A copy of the tables.
pub struct Database<'s> {
    server: &'s Server,
    /// Its address.
    pub url: String,
}

impl Database<'_> {
    /// Connects as the superuser.
    pub async fn client(&self) -> anyhow::Result<Client> {
        self.server.client(WORK).await
    }

    /// Its address as the library takes it.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        Ok(Settings::resolve(Some(&self.url), &Environment::from_process())?)
    }

    /// Runs statements one by one, each in its own transaction.
    pub async fn run(&self, statements: &[String]) -> anyhow::Result<()> {
        let client = self.client().await?;
        for statement in statements {
            client.batch_execute(statement).await.with_context(|| statement.clone())?;
        }
        Ok(())
    }

    /// Writes out what is dirty and reads the tables once, so that each way finds the same caches.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let client = self.client().await?;
        client
            .batch_execute(
                "CHECKPOINT; SELECT count(*) FROM task WHERE project_id IS NULL; SELECT count(*) FROM project",
            )
            .await?;
        Ok(())
    }

    /// Waits until all others have left: their statistics are written by then.
    pub async fn wait_alone(&self, client: &Client) -> anyhow::Result<()> {
        let others = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        while client.query_one(others, &[]).await?.try_get::<_, i64>(0)? > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Before PostgreSQL 15, statistics go through a process of their own, which writes them twice a second.
        tokio::time::sleep(Duration::from_millis(if self.server.version() < 150_000 { 1200 } else { 50 })).await;
        Ok(())
    }
}
