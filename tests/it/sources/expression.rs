//! Expressions: exactly one, known to the server before anything runs, and harmless to the application afterwards.

use tenantctl::config::Expression;
use tenantctl::execute::Target;
use tenantctl::plan::Phase;

use super::{LINE, ORDER, blockers, config, convert, odd, owners, planned};

#[test]
fn an_expression_cannot_leave_its_parentheses() {
    for (text, why) in [
        ("1); DROP TABLE x; --", "its parentheses do not match"),
        ("(1", "its parentheses do not match"),
        ("(1]", "its parentheses do not match"),
        ("1; SELECT 2", "a semicolon ends it"),
        ("1 -- and no more", "it has a comment"),
        ("1 /* and */ + 1", "it has a comment"),
        ("$1::bigint", "it has a parameter"),
        ("'open", "a text in it has no end"),
        ("\"open", "a name in it has no end"),
        ("$a$ 1 $b$", "a text in it has no end"),
        (r"'\' || '); DROP TABLE x'", "it has a backslash before a quote; write the text as E'...'"),
        (r"\echo", "it has a backslash outside of quotes"),
        ("U&'\\0027'", "it has a U& text, which may hide what it says"),
        ("  ", "it is empty"),
    ] {
        assert_eq!(Expression::read(text).unwrap_err(), why, "{text}");
    }
    for text in [
        "org_id",
        "(payload ->> 'a;b--c)')::bigint",
        r"E'it\'s (' || a",
        "'it''s ('",
        "$tag$ ); -- $tag$",
        "a[1] - -1",
        "x.\"odd;)\"\"--\" #>> '{a,b}'",
        "price$1 / 2",
        r"substring(a from '\d+')",
    ] {
        assert!(Expression::read(text).is_ok(), "{text}");
    }
}

/// A rule of `event` with an expression, and the other tables'.
fn with(expression: &str, more: &str) -> tenantctl::config::Config {
    config(&format!(
        "{ORDER}\n{LINE}\nevent = {{ scope = \"tenant\", source = \"sql\", expression = '''{expression}'''{more} }}"
    ))
}

#[tokio::test]
async fn an_expression_that_the_server_refuses_blocks_the_plan_in_its_words() {
    let database = odd().await;
    for (expression, why) in [
        ("\"nothing\"", "column \"nothing\" does not exist"),
        ("r.id", "missing FROM-clause entry for table \"r\""),
        ("1, 2", "cannot cast type record to bigint"),
        ("nowhere(id)", "function nowhere(bigint) does not exist"),
        ("id + ", "syntax error at or near \")\""),
        // The values of rows are not told.
        ("\"from\"", "it fails on a row (SQLSTATE 22P02)"),
        ("(SELECT i FROM generate_series(1, 2) AS i WHERE event.id > 0)", "it fails on a row (SQLSTATE 21000)"),
        ("generate_series(1, 2)", "set-returning functions are not allowed in WHERE"),
        ("count(*)", "aggregate functions are not allowed in WHERE"),
    ] {
        let expected = format!("Odd.event: t.toml:8: its expression cannot be used: {why}");
        assert_eq!(blockers(&database, &with(expression, "")).await, [expected]);
    }
}

#[tokio::test]
async fn an_expression_may_use_the_row_by_its_tables_name_and_other_tables_by_theirs() {
    let database = odd().await;
    let expression = "(SELECT o.id FROM \"Odd\".\"Org\" AS o WHERE o.\"Login\" = event.\"from\" AND found IS NOT DISTINCT FROM event.found)";
    convert(&database, &with(expression, ""), Target::End).await.unwrap();
    database.run(r#"INSERT INTO "Odd".event VALUES (3, 'Login-3')"#).await;
    assert_eq!(owners(&database, "\"Odd\".event").await, "1 2 3");
}

#[tokio::test]
async fn a_volatile_function_is_named() {
    let planned = planned(&odd().await, &with("(id * ceil(random()))::bigint", "")).await.unwrap();
    let said = planned.plan.notices.iter().filter(|notice| notice.text.contains("its expression calls random,"));
    assert_eq!(said.count(), 1, "{:?}", planned.plan.notices);
}

#[tokio::test]
async fn an_expression_that_fails_on_a_new_row_does_not_fail_the_writer() {
    let database = odd().await;
    database.run("DELETE FROM \"Odd\".event WHERE id = 2").await;
    convert(&database, &with("data ->> 'org'", ", unowned = \"system\""), Target::End).await.unwrap();
    database
        .run(
            r#"INSERT INTO "Odd".event (id, data) VALUES (3, '{"org": "none of yours"}'), (4, '{"org": "3"}');
               UPDATE "Odd".event SET data = '{"org": "x"}' WHERE id = 1"#,
        )
        .await;
    assert_eq!(owners(&database, "\"Odd\".event").await, "2 1000 3");
}

#[tokio::test]
async fn a_batch_that_fails_on_a_row_does_not_tell_the_rows_values() {
    let database = odd().await;
    let config = with("\"from\"::bigint", ", unowned = \"system\"");
    database.run("UPDATE \"Odd\".event SET \"from\" = '1'").await;
    convert(&database, &config, Target::Phase(Phase::Expand)).await.unwrap();
    // It came between plan and batch, past the filler.
    database.run("SET session_replication_role = replica; INSERT INTO \"Odd\".event VALUES (3, 'a secret')").await;
    let failure = convert(&database, &config, Target::End).await.unwrap_err();
    let said = format!("{failure:?}");
    assert!(said.contains("id = '3'") && said.contains("SQLSTATE 22P02"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    database.run("DELETE FROM \"Odd\".event WHERE id = 3").await;
    convert(&database, &config, Target::End).await.unwrap();
}

/// The application's own constraint refuses what the backfill writes.
#[tokio::test]
async fn a_constraint_that_refuses_a_batch_is_named_without_the_row() {
    let database = odd().await;
    let config = with("id", "");
    database.run("UPDATE \"Odd\".event SET data = '\"a secret\"'").await;
    convert(&database, &config, Target::Phase(Phase::Expand)).await.unwrap();
    let check = "ALTER TABLE \"Odd\".event ADD CONSTRAINT \"Only One\" CHECK (tenant_id < 2) NOT VALID";
    database.run(check).await;
    let said = format!("{:?}", convert(&database, &config, Target::End).await.unwrap_err());
    let named = "constraint Only One, table Odd.event";
    assert!(said.contains(named) && said.contains("SQLSTATE 23514"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}
