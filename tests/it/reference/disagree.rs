//! Rows that lead to another tenant's: found before anything is demanded, counted, named, and mended.

use tenantctl::error::{Code, Resumable};

use super::{RULES, composite, is_settled, loaded, parsed, refused};
use crate::support::cli::Cli;
use crate::support::run::Run;

const SCHEMA: &str = "
CREATE TABLE member (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES org);
CREATE TABLE task (\"No\" bigint, part text, member_id bigint NOT NULL REFERENCES member, reviewer bigint, PRIMARY KEY (\"No\", part));
ALTER TABLE task ADD CONSTRAINT task_reviewer_fkey FOREIGN KEY (reviewer) REFERENCES member;
CREATE TABLE tag (member_id bigint NOT NULL REFERENCES member, other bigint REFERENCES member);
INSERT INTO member SELECT i, 1 + i % 2 FROM generate_series(1, 20) AS i;
INSERT INTO task SELECT i, 'it''s', 1 + i % 20, CASE WHEN i > 993 THEN 1 + (i + 1) % 20 ELSE 1 + i % 20 END FROM generate_series(1, 1000) AS i;
INSERT INTO tag SELECT 1, 1";

const TABLES: &str = "member = { scope = \"tenant\", source = \"parent\", parent = \"org\" }\n\
task = { scope = \"tenant\", source = \"parent\", parent = \"member\", via = [\"member_id\"] }\n\
tag = { scope = \"tenant\", source = \"parent\", parent = \"member\", via = [\"member_id\"] }\n";

#[tokio::test]
async fn rows_that_disagree_stop_the_run_which_goes_on_once_they_are_mended() {
    let database = loaded(SCHEMA).await;
    let stopped = Run::to_the_end().on(&database, &parsed(TABLES)).await;
    let failure = stopped.done.unwrap_err();
    assert_eq!((failure.code, failure.code.resumable()), (Code::RowsDisagree, Resumable::Yes), "{failure}");
    let rows: Vec<String> = (994..=998).map(|row| format!("\"No\" = '{row}' AND part = 'it''s'")).collect();
    let expected = format!(
        "enforce/public.task/check-reference/task_tenant_id_reviewer_fkey: 7 rows of public.task refer by task_reviewer_fkey to rows \
         of public.member that belong to another tenant: {}; ...",
        rows.join("; ")
    );
    assert_eq!(failure.message, expected);
    let hint = failure.hint.unwrap();
    assert!(
        hint.contains(
            "set references.task_reviewer_fkey = { scope = \"global\", reason = \"...\" } in the rule of public.task"
        ),
        "{hint}"
    );

    // Nothing was demanded of the application, which goes on.
    database.run("UPDATE task SET reviewer = 2 WHERE \"No\" = 1; INSERT INTO task VALUES (1001, '', 1, 2)").await;
    let cli = Cli::to(&database.url()).config(&format!("{RULES}{TABLES}"));
    let again = cli.run("migrate --yes").exits(1);
    assert!(again.stderr.contains("8 rows of public.task"), "{again:?}");

    database.run("UPDATE task SET reviewer = member_id").await;
    cli.run("migrate --yes").exits(0);
    assert_eq!(composite(&database).await.len(), 4);
    is_settled(&database, TABLES);
    let client = database.client("application").await;
    let crossing = "UPDATE task SET reviewer = member_id + 1 WHERE \"No\" = 1";
    assert_eq!(refused(&client, crossing).await, ("23503".to_owned(), "task_tenant_id_reviewer_fkey".to_owned()));
}

#[tokio::test]
async fn rows_without_a_key_are_named_by_their_place() {
    let database =
        loaded(&format!("{SCHEMA}; UPDATE task SET reviewer = member_id; INSERT INTO tag VALUES (1, 2)")).await;
    let failure = Run::to_the_end().on(&database, &parsed(TABLES)).await.done.unwrap_err();
    assert!(failure.message.contains("1 rows of public.tag refer by tag_other_fkey"), "{failure}");
    assert!(failure.message.contains(": ctid = '(0,"), "{failure}");
}

#[tokio::test]
async fn a_reference_that_is_meant_to_cross_is_left_as_it_is() {
    let database = loaded(SCHEMA).await;
    let tables = TABLES.replace(
        "via = [\"member_id\"] }\ntag",
        "via = [\"member_id\"], references.task_reviewer_fkey = { scope = \"global\", reason = \"reviewers help everywhere\" } }\ntag",
    );
    let outcome = Run::to_the_end().on(&database, &parsed(&tables)).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let keys = composite(&database).await;
    assert!(keys.len() == 3 && keys.iter().all(|key| !key.contains("reviewer")), "{keys:?}");
    database.run("UPDATE task SET reviewer = member_id + 1 WHERE \"No\" = 1").await;
    is_settled(&database, &tables);
}
