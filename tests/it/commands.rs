//! The program as operators and CI meet it: its exits, its two channels, its files, its signals.

mod demo;
mod diff;
mod mistakes;
mod offline;
mod results;
mod review;
mod servers;
mod steering;
mod stopping;

use crate::support::cli::{Cli, Ran};
use crate::support::{Database, Server, dump, server};

/// Two tables, as small as a database can be that has something to convert.
const SHOP: &str = "
CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint REFERENCES customers, total numeric);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 5) AS i;
INSERT INTO orders SELECT i, nullif(i % 6, 0), i FROM generate_series(1, 12) AS i;";

/// A configuration of [`SHOP`] that is right.
const RIGHT: &str = r#"
[tables.customers]
scope = "tenant"
[tables.orders]
scope = "tenant"
source = "parent"
parent = "customers"
unowned = "system"
"#;

/// A new [`SHOP`].
async fn shop() -> Database<'static> {
    shop_on(server()).await
}

async fn shop_on(server: &Server) -> Database<'_> {
    let database = server.database().await;
    database.run(SHOP).await;
    database
}

/// How a command must be refused.
struct Refusal<'a> {
    exit: i32,
    code: &'a str,
    /// What the message or the hint must hold.
    words: &'a [&'a str],
}

impl Refusal<'_> {
    /// Fails unless the command is refused in words and in JSON, and leaves the database as it was.
    async fn of(&self, cli: &Cli, arguments: &str, database: &Database<'_>) {
        let client = database.client("test").await;
        let before = dump::untouched(&client).await;
        self.seen_in(cli, arguments);
        assert!(before == dump::untouched(&client).await, "{arguments} touched the database");
    }

    /// The same without a database to look at.
    fn seen_in(&self, cli: &Cli, arguments: &str) {
        let Ran { stdout, stderr, .. } = cli.run(arguments).exits(self.exit);
        assert_eq!(stdout, "", "a refusal is no result");
        assert!(stderr.contains(&format!("error[{}]: ", self.code)), "{stderr}");
        assert!(stderr.contains("\nhint: "), "{stderr}");
        for word in self.words {
            assert!(stderr.contains(word), "{word:?} is missing:\n{stderr}");
        }
        let object = &cli.run(&format!("{arguments} --format json")).exits(self.exit).json()["error"];
        assert_eq!((&object["code"], &object["exit"]), (&self.code.into(), &self.exit.into()));
        assert_eq!(object["resumable"], false);
        let told = format!("{} {}", object["message"].as_str().unwrap(), object["hint"].as_str().unwrap());
        for word in self.words {
            assert!(told.contains(word), "{word:?} is missing:\n{told}");
        }
    }
}
