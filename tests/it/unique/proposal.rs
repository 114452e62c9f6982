//! What `init` proposes for unique keys.

use tenantctl::config::KeyScope;
use tenantctl::infer::{Certainty, Choices, Proposal, choices, infer};
use tenantctl::pg::{Access, Session};
use tenantctl::plan::Kind;
use tenantctl::report::proposal;

use super::{config, plan, said, with};
use crate::support::Database;
use crate::support::run::Run;

const SHOP: &str = r#"
CREATE TABLE orgs (id bigint PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE);
CREATE TABLE users (id serial PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs, email text UNIQUE, uid uuid UNIQUE,
    token_hash text UNIQUE, "Personnel Number" int UNIQUE, UNIQUE (org_id, "Personnel Number"));
CREATE UNIQUE INDEX users_nickname ON users (lower(email)) WHERE id > 5;
CREATE TABLE projects (code text PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs, place int UNIQUE DEFERRABLE,
    number int UNIQUE);
CREATE TABLE tasks (project text NOT NULL REFERENCES projects, name text, PRIMARY KEY (project, name));
CREATE TABLE regions (code text PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs);
CREATE TABLE api_keys (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs, key text UNIQUE);
CREATE TABLE settings (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs, key text UNIQUE, note text);
CREATE UNIQUE INDEX settings_note ON settings (note) INCLUDE (key);
CREATE TABLE countries (id bigint PRIMARY KEY, code text UNIQUE);
CREATE TABLE visits (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs, country text REFERENCES countries (code));
INSERT INTO orgs VALUES (1, 'System', 'system'), (2, 'Other', 'other');
ANALYZE;
"#;

async fn proposed(database: &Database<'_>) -> Proposal {
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let catalog = session.catalog(&session.schemas().await.unwrap()).await.unwrap();
    infer(&catalog, &Choices::default())
}

/// Every key in a line, with a mark for a guess (`~`) and for a question (`?`).
fn lines(proposal: &Proposal) -> Vec<String> {
    let of = |verdict: &tenantctl::infer::KeyVerdict| {
        let mark = match verdict.certainty {
            Certainty::Sure => "",
            Certainty::Guess => "~",
            Certainty::Ask => "?",
        };
        match &verdict.scope {
            KeyScope::Scoped => format!("{mark}{}: scoped", verdict.name),
            KeyScope::Global { reason } => format!("{mark}{}: {reason}", verdict.name),
        }
    };
    proposal.keys.values().flatten().map(of).collect()
}

#[tokio::test]
async fn every_key_that_counts_for_all_tenants_gets_a_decision_by_what_it_covers() {
    let proposal = proposed(&with(SHOP).await).await;
    let expected = [
        "~api_keys_key_key: it is looked up before the tenant is known",
        "projects_pkey: rows of public.tasks find their owner by it",
        "~projects_number_key: scoped",
        "?projects_place_key: scoped",
        "~regions_pkey: scoped",
        "~settings_key_key: scoped",
        "~settings_note: scoped",
        "~users_Personnel Number_key: scoped",
        "~users_email_key: scoped",
        "~users_nickname: scoped",
        "users_org_id_Personnel Number_key: org_id belongs to one tenant already",
        "~users_token_hash_key: it is looked up before the tenant is known",
        "users_uid_key: values of uid are generated and never meet",
    ];
    let mut lines = lines(&proposal);
    lines.sort_by_key(|line| line.trim_start_matches(['~', '?']).to_owned());
    let mut expected: Vec<&str> = expected.to_vec();
    expected.sort_by_key(|line| line.trim_start_matches(['~', '?']));
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn the_file_says_why_and_the_plan_takes_it_as_it_is() {
    let database = with(SHOP).await;
    let file = proposal::file(&proposed(&database).await, "shop");
    let section = "[tables.users]\nscope = \"tenant\"\nsource = \"parent\"\nparent = \"orgs\"\n";
    assert!(file.contains(section), "{file}");
    for line in [
        "# guess: each tenant may have its own Personnel Number.\nunique.\"users_Personnel Number_key\" = \"scoped\"\n",
        "unique.users_uid_key = { scope = \"global\", reason = \"values of uid are generated and never meet\" }\n",
        "\n#unique.projects_place_key = \"scoped\"\n",
        "# guess: \"scoped\" if it is never looked up before the tenant is known.\nunique.users_token_hash_key = ",
    ] {
        assert!(file.contains(line), "{line}\n{file}");
    }
    let config = config(&file);
    let script = plan(&database, &config).await;
    assert_eq!(
        said(&script, Kind::UniqueGlobal),
        ["public.projects: stays unique over all tenants: projects_place_key"]
    );
    assert_eq!(said(&script, Kind::DecisionUnmatched), [""; 0]);
    let built = script.steps().filter(|step| step.id.contains("/build-key/")).count();
    assert!(built >= 7, "{built}");
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    assert_eq!(plan(&database, &config).await.steps().count(), 0);
}

#[tokio::test]
async fn what_the_conversion_made_is_no_key_that_somebody_has_to_decide_about() {
    let database = with(SHOP).await;
    let before = proposed(&database).await;
    let config = config(&proposal::file(&before, "shop"));
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let catalog = session.catalog(&config.schemas).await.unwrap();
    let names = |proposal: &Proposal| -> Vec<String> {
        proposal.keys.values().flatten().map(|verdict| verdict.name.to_string()).collect()
    };
    assert_eq!(names(&infer(&catalog, &choices(&config, &catalog))), names(&before));
}
