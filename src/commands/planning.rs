//! The front half that `plan` and `migrate` share: catalog and configuration in, script out.

use crate::catalog::{Activity, Catalog};
use crate::config::Config;
use crate::error::{Code, Failure};
use crate::execute::facts;
use crate::pg::Session;
use crate::plan::{self, Blocker, Owners, Plan, Weight};
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
/// The database cannot be read, or the configuration does not fit it. What preflight finds whatever the plan will be
/// stands in the same report.
pub async fn plan(session: &Session, config: &Config) -> Result<Planned, Failure> {
    let catalog = session.catalog(&config.schemas).await?;
    plan_for(session, config, catalog).await
}

/// Plans for a catalog that was read just now.
///
/// # Errors
/// As [`plan()`].
pub async fn plan_for(session: &Session, config: &Config, catalog: Catalog) -> Result<Planned, Failure> {
    let oids: Vec<u32> = catalog.tables.values().map(|table| table.oid).collect();
    let activity = session.activity(&oids).await?;
    let (owners, plan) = match build(session, config, &catalog, &activity).await {
        Ok(built) => built,
        Err(failure) if failure.code == Code::ConfigInvalid => {
            return Err(with_preflight(failure, config, &catalog, &activity));
        }
        Err(failure) => return Err(failure),
    };
    let script = sql::render(&plan);
    Ok(Planned { catalog, owners, plan, script })
}

async fn build(
    session: &Session,
    config: &Config,
    catalog: &Catalog,
    activity: &Activity,
) -> Result<(Owners, Plan), Failure> {
    let owners = plan::resolve(config, catalog)?;
    refuse_unreadable(catalog, &owners)?;
    let facts = facts::gather(session, config, catalog, &owners, activity).await?;
    let plan = Plan::build(config, catalog, &owners, &facts)?;
    Ok((owners, plan))
}

/// A plan counts rows, so it needs to read the tables; all that it may not read are named at once.
fn refuse_unreadable(catalog: &Catalog, owners: &Owners) -> Result<(), Failure> {
    let unreadable: Vec<String> = plan::unreadable(catalog, owners).into_iter().map(ToString::to_string).collect();
    if unreadable.is_empty() {
        return Ok(());
    }
    let message = format!("the role {} may not read {}", catalog.server.role, unreadable.join(", "));
    Err(Failure::new(Code::RightsMissing, message).hint("grant it USAGE on their schemas and SELECT on the tables"))
}

fn with_preflight(failure: Failure, config: &Config, catalog: &Catalog, activity: &Activity) -> Failure {
    let found = plan::surroundings(config, catalog, activity);
    let refusals = found.notices.iter().filter(|notice| notice.kind.weight() == Weight::Refusal);
    let lines = found.blockers.iter().map(Blocker::describe).chain(refusals.map(|notice| notice.text.clone()));
    let message = std::iter::once(failure.message.clone()).chain(lines).collect::<Vec<_>>().join("\n");
    Failure { message, ..failure }
}
