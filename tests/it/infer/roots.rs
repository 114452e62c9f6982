//! Which table holds the tenants, and above all which does not.

use super::{PRODUCT, catalog, product, proposed, root};

/// No root is taken, and the candidate is named with this doubt.
fn doubted(catalog: &tenantctl::catalog::Catalog, table: &str, doubt: &str) {
    let proposal = proposed(catalog);
    assert_eq!(root(&proposal), None);
    let candidate = proposal.candidates.iter().find(|candidate| candidate.table.name.as_str() == table).unwrap();
    assert!(candidate.doubts.iter().any(|said| said.contains(doubt)), "{:?}", candidate.doubts);
}

#[test]
fn organizations_that_most_tables_lead_to_are_adopted() {
    assert_eq!(root(&proposed(&catalog(PRODUCT))).as_deref(), Some("public.orgs"));
}

#[test]
fn organizations_that_tables_name_without_any_key_are_found_too() {
    let proposal = proposed(&catalog(
        "organizations 5: id uuid!, name text!, slug text!
            users 90: id uuid!, organization_id uuid!
            invoices 70: id uuid!, organizationId uuid
            notes 70: id uuid!, org_id uuid",
    ));
    assert_eq!(root(&proposal).as_deref(), Some("public.organizations"));
    assert!(proposal.candidates[0].reason.contains("3 by a column without a key"), "{:?}", proposal.candidates);
}

#[test]
fn the_customers_of_a_shop_are_not_its_tenants() {
    let shop = catalog(
        "customers 900: id bigint!, name text!, slug text!
        orders 5000: id bigint!, customer_id bigint! -> customers
        payments 5000: id bigint!, order_id bigint! -> orders
        addresses 900: id bigint!, customer_id bigint! -> customers",
    );
    doubted(&shop, "customers", "often means something else");
}

#[test]
fn the_companies_of_an_address_book_are_not_its_tenants() {
    let book = catalog(
        "companies 90: id bigint!, name text!, slug text!
        contacts 500: id bigint!, company_id bigint -> companies
        deals 70: id bigint!, company_id bigint -> companies
        calls 70: id bigint!, contact_id bigint -> contacts",
    );
    doubted(&book, "companies", "often means something else");
}

#[test]
fn organizations_that_few_tables_lead_to_are_only_named() {
    let more: String = (0..20).map(|n| format!("thing{n} 5: id bigint!\n")).collect();
    doubted(&product(&more), "orgs", "too few tables lead to it");
}

#[test]
fn empty_organizations_are_only_named() {
    doubted(&catalog(&PRODUCT.replace("orgs 12", "orgs 0")), "orgs", "it is empty");
}

#[test]
fn organizations_more_numerous_than_what_they_own_are_only_named() {
    doubted(&catalog(&PRODUCT.replace("orgs 12", "orgs 4000")), "orgs", "more rows than any table");
}

#[test]
fn organizations_without_a_slug_cannot_be_adopted_and_are_named_with_what_they_lack() {
    doubted(&catalog(&PRODUCT.replace(", slug text!", "")), "orgs", "no column for a slug");
    doubted(&catalog(&PRODUCT.replace("name text!", "size bigint")), "orgs", "no column for a tenant's name");
    doubted(&catalog(&PRODUCT.replace("orgs 12: id bigint!", "orgs 12: id numeric!")), "orgs", "its primary key");
}

#[test]
fn a_workspace_of_an_organization_is_no_tenant() {
    let proposal = proposed(&product(
        "workspaces 9: id bigint!, org_id bigint! -> orgs, name text!, slug text!
        boards 30: id bigint!, workspace_id bigint! -> workspaces
        cards 30: id bigint!, board_id bigint! -> boards
        workspace_users 30: id bigint!, workspace_id bigint! -> workspaces, user_id bigint! -> users",
    ));
    assert_eq!(root(&proposal).as_deref(), Some("public.orgs"));
}

#[test]
fn of_two_equally_likely_tables_none_is_taken() {
    let two = product(
        "workspaces 12: id bigint!, name text!, slug text!
        workspace_users 200: id bigint!, workspace_id bigint! -> workspaces, user_id bigint! -> users
        pages 300: id bigint!, workspace_id bigint! -> workspaces
        blocks 300: id bigint!, page_id bigint! -> pages",
    );
    let proposal = proposed(&two);
    assert_eq!(root(&proposal), None);
    assert_eq!(proposal.candidates.len(), 2);
}

#[test]
fn what_the_system_tenants_row_needs_is_proposed_or_asked_for() {
    let text =
        PRODUCT.replace("slug text!", "slug text!, plan text!, opened_at timestamptz!, owner_id bigint! -> users");
    let proposal = proposed(&catalog(&text));
    let file = tenantctl::report::proposal::file(&proposal, "shop");
    assert!(file.contains("plan = \"system\"\n") && file.contains("#owner_id = \"\"\n"), "{file}");
}
