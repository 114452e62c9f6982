//! The old application goes on while its database is converted and taken back.

use super::{ALL, back, same, schema};
use crate::support::Database;
use crate::support::app::Application;
use crate::support::run::{Run, config};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_application_writes_on_and_none_of_its_statements_fails() {
    for file in ["tenantctl.toml", "tenantctl.org.toml"] {
        let (database, config) = (Database::saas25(1500).await, config(file));
        let application = Application::start(&database, 3).await;
        let before = schema(&database).await;
        assert!(Run::to_the_end().on(&database, &config).await.is_finished());
        let done = back(&database, &config, ALL).await;
        let ledger = application.stop().await;
        assert!(done.is_finished(), "{file}: {:?}", done.done);
        assert!(ledger.errors.is_empty(), "{file}: {:#?}", ledger.errors);
        assert!(ledger.successes > 100, "{file}: {ledger:?}");
        same(&schema(&database).await, &before, file);
        let open = "SELECT count(*) FROM tenantctl.run WHERE finished_at IS NULL AND abandoned_at IS NULL";
        assert_eq!(database.number(open).await, 0);
    }
}
