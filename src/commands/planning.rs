//! The front half that `plan` and `migrate` share: catalog and configuration in, script out.

use crate::catalog::Catalog;
use crate::config::Config;
use crate::error::Failure;
use crate::execute::facts;
use crate::pg::Session;
use crate::plan::{self, Owners, Plan};
use crate::sql::{self, Document, Script};

/// A plan with everything that it was made from.
#[derive(Debug)]
pub struct Planned {
    /// What the database is.
    pub catalog: Catalog,
    /// Each table's way to its owner.
    pub owners: Owners,
    /// What is to be done.
    pub plan: Plan,
    /// The same in SQL.
    pub script: Script,
}

impl Planned {
    /// The plan as it is shown, kept and reviewed.
    pub fn into_document(self) -> Document {
        Document { script: self.script, catalog: self.catalog }
    }
}

/// Reads the database and plans; writes nothing.
///
/// # Errors
/// The database cannot be read, or the configuration does not fit it.
pub async fn plan(session: &Session, config: &Config) -> Result<Planned, Failure> {
    let catalog = session.catalog(&config.schemas).await?;
    plan_for(session, config, catalog).await
}

/// Plans for a catalog that was read just now.
///
/// # Errors
/// As [`plan`].
pub async fn plan_for(session: &Session, config: &Config, catalog: Catalog) -> Result<Planned, Failure> {
    let owners = plan::resolve(config, &catalog)?;
    let facts = facts::gather(session, config, &catalog, &owners).await?;
    let plan = Plan::build(config, &catalog, &owners, &facts)?;
    let script = sql::render(&plan);
    Ok(Planned { catalog, owners, plan, script })
}
