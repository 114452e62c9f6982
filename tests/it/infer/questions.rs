//! What is asked with `--interactive`, and what the answers change.

use std::convert::Infallible;

use tenantctl::infer::{Choices, Proposal, settle};

use super::{PRODUCT, catalog, product, resolved, root, said};

/// The proposal after these answers (a part of the text of the one that is picked), and the questions.
fn answered(catalog: &tenantctl::catalog::Catalog, answers: &[&str]) -> (Proposal, Vec<String>) {
    let (mut answers, mut asked) = (answers.iter(), Vec::new());
    let proposal = settle(catalog, Choices::default(), |question| {
        asked.push(question.text.clone());
        let wanted = answers.next().unwrap_or_else(|| panic!("not expected: {question:?}"));
        let place = question.answers.iter().position(|answer| answer.contains(wanted));
        Ok::<_, Infallible>(place.unwrap_or_else(|| panic!("{wanted} is no answer to {question:?}")))
    });
    let Ok(proposal) = proposal;
    resolved(&proposal, catalog);
    assert_eq!(answers.next(), None, "{asked:?}");
    (proposal, asked)
}

#[test]
fn an_answer_changes_what_is_proposed_and_asked_next() {
    let people = PRODUCT.replace("members 200", "tokens: id bigint!, user_id bigint! -> users\nmembers 200");
    let (proposal, asked) = answered(&catalog(&people), &["the System Tenant", "the System Tenant"]);
    assert_eq!(said(&proposal, "users"), "system");
    assert!(asked[0].contains("public.tokens") && asked[1].contains("public.users"), "{asked:?}");
}

#[test]
fn the_first_answer_is_what_is_proposed_without_asking() {
    let catalog = product("notes: id bigint!, task_id bigint! -> tasks, project_id bigint! -> projects");
    let silent = super::proposed(&catalog);
    let Ok(asked) = settle(&catalog, Choices::default(), |_| Ok::<_, Infallible>(0));
    for (name, verdict) in &silent.tables {
        assert_eq!(verdict.decision, asked.tables[name].decision, "{name}");
    }
}

#[test]
fn another_way_can_be_chosen() {
    let catalog = product("notes: id bigint!, task_id bigint! -> tasks, project_id bigint! -> projects");
    let (proposal, _) = answered(&catalog, &["all tenants", "public.tasks"]);
    assert_eq!(said(&proposal, "notes"), "parent tasks");
}

#[test]
fn the_tenants_are_asked_for_where_they_are_in_doubt() {
    let shop = catalog(
        "customers 900: id bigint!, name text!, slug text!
        orders 5000: id bigint!, customer_id bigint! -> customers",
    );
    let (proposal, asked) = answered(&shop, &["public.customers"]);
    assert_eq!(
        (root(&proposal).as_deref(), said(&proposal, "orders").as_str()),
        (Some("public.customers"), "parent customers")
    );
    assert_eq!(asked, ["Which table's rows are the tenants?"]);
    let (proposal, _) = answered(&shop, &["none"]);
    assert_eq!((root(&proposal), said(&proposal, "orders").as_str()), (None, "system"));
}
