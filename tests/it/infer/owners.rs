//! Where each table's owner comes from.

use tenantctl::catalog::TableKind;
use tenantctl::report::proposal;

use super::{PRODUCT, catalog, product, proposed, said, turned, verdict, why};
use crate::support::plan::ident;

#[test]
fn a_key_to_the_tenants_decides_and_longer_chains_follow() {
    let proposal = proposed(&catalog(PRODUCT));
    assert_eq!(said(&proposal, "projects"), "parent orgs");
    assert_eq!(said(&proposal, "tasks"), "parent projects");
    assert_eq!(verdict(&proposal, "tasks").depth, 2);
}

#[test]
fn a_column_called_like_a_key_is_a_guess() {
    let catalog = product("notes: id bigint!, \"x\" text, orgId bigint\nlogs: id bigint!, org_id text");
    let proposal = proposed(&catalog);
    assert_eq!(said(&proposal, "notes"), "~column orgId");
    assert_eq!(said(&proposal, "logs"), "~system", "a text names no bigint");
}

#[test]
fn a_key_that_every_row_has_says_more_than_a_columns_name() {
    let proposal = proposed(&product("notes: id bigint!, org_id bigint, task_id bigint! -> tasks"));
    assert_eq!(said(&proposal, "notes"), "~parent tasks");
    assert_eq!(verdict(&proposal, "notes").ways.len(), 2, "the column is named beside it");
}

#[test]
fn of_two_ways_the_one_that_is_never_null_is_taken_and_the_other_is_named() {
    let proposal = proposed(&product("notes: id bigint!, project_id bigint -> projects, task_id bigint! -> tasks"));
    assert_eq!(said(&proposal, "notes"), "parent tasks");
    let file = proposal::file(&proposal, "shop");
    assert!(file.contains("# Another way: project_id to projects, then org_id to orgs. Do the two agree?\n"), "{file}");
    let sql =
        "FROM public.notes AS r LEFT JOIN public.tasks AS a1 ON a1.id = r.task_id LEFT JOIN public.projects AS a2";
    assert!(file.contains(sql), "{file}");
}

#[test]
fn of_two_ways_the_shorter_one_is_taken_with_doubt() {
    let proposal = proposed(&product("notes: id bigint!, task_id bigint! -> tasks, project_id bigint! -> projects"));
    assert_eq!(said(&proposal, "notes"), "~parent projects");
}

#[test]
fn a_parent_that_the_row_is_a_part_of_comes_before_another_one() {
    let parts = "orders 50: id bigint!, org_id bigint! -> orgs
        items 90: item bigint!, product_id bigint! -> projects, *order_id bigint!* -> orders, *line bigint!*";
    assert_eq!(said(&proposed(&product(parts)), "items"), "parent orders");
}

#[test]
fn who_made_a_row_does_not_own_it() {
    let people = PRODUCT.replace("email text!", "email text!, org_id bigint! -> orgs");
    let notes = "notes: id bigint!, created_by bigint! -> users, task_id bigint -> tasks
        drafts: id bigint!, author_id bigint! -> users";
    let proposal = proposed(&catalog(&format!("{people}\n{notes}")));
    assert_eq!(said(&proposal, "notes"), "parent tasks");
    assert_eq!(said(&proposal, "drafts"), "~parent users");
}

#[test]
fn of_several_keys_to_the_tenants_the_one_called_so_decides() {
    let proposal = proposed(&product(
        "offers: id bigint!, buyer_org_id bigint! -> orgs, org_id bigint -> orgs
        transfers: id bigint!, from_org bigint! -> orgs, to_org bigint! -> orgs",
    ));
    assert_eq!(said(&proposal, "offers"), "parent orgs via org_id");
    assert_eq!(said(&proposal, "transfers"), "?parent orgs via from_org");
}

#[test]
fn people_of_several_tenants_are_nobodys_and_what_leads_only_to_them_is_the_systems() {
    let current = PRODUCT.replace("email text!", "email text!, current_org_id bigint -> orgs");
    let proposal = proposed(&catalog(&format!("{current}\ntokens: id bigint!, user_id bigint! -> users")));
    assert_eq!(said(&proposal, "users"), "?shared");
    assert!(why(&proposal, "users").contains("members joins it with orgs"));
    assert_eq!(said(&proposal, "tokens"), "~system");
    assert!(why(&proposal, "tokens").contains("Its keys lead to users"));
}

#[test]
fn a_junction_is_named_and_takes_the_side_that_has_an_owner() {
    let tags = "tags 9: id bigint!\ntask_tags: *tag_id bigint!* -> tags, *task_id bigint!* -> tasks";
    let proposal = proposed(&product(tags));
    assert_eq!(said(&proposal, "task_tags"), "parent tasks");
    assert!(why(&proposal, "task_tags").contains("It joins tags and tasks."), "{}", why(&proposal, "task_tags"));
}

#[test]
fn a_key_to_the_table_itself_is_never_the_way() {
    let proposal = proposed(&product(
        "pages: id bigint!, parent_id bigint! -> pages, project_id bigint -> projects
        nodes: id bigint!, parent_id bigint! -> nodes",
    ));
    assert_eq!(said(&proposal, "pages"), "parent projects");
    assert!(why(&proposal, "pages").contains("parent_id leads to the table itself"));
    assert!(!why(&proposal, "pages").contains("circle"), "one sentence a key is enough");
    assert_eq!(said(&proposal, "nodes"), "~system");
}

#[test]
fn a_circle_is_broken_at_the_key_that_may_be_null() {
    let proposal = proposed(&product(
        "albums: id bigint!, cover_id bigint -> photos, project_id bigint! -> projects
        photos: id bigint!, album_id bigint! -> albums
        eggs: id bigint!, hen_id bigint! -> hens
        hens: id bigint!, egg_id bigint -> eggs",
    ));
    assert_eq!(said(&proposal, "photos"), "parent albums");
    assert_eq!(said(&proposal, "albums"), "parent projects");
    assert!(why(&proposal, "albums").contains("cover_id closes a circle with photos"), "{}", why(&proposal, "albums"));
    assert_eq!((said(&proposal, "eggs"), said(&proposal, "hens")), ("~system".to_owned(), "~system".to_owned()));
}

#[test]
fn small_lists_that_others_refer_to_are_probably_shared() {
    let proposal = proposed(&product(
        "currencies: code text!, continent_id bigint -> regions
        regions 5: id bigint!
        prices: id bigint!, currency text! -> currencies, project_id bigint! -> projects
        rates: id bigint!, currency text! -> currencies
        letters 26: code text!
        words 2000: id text!, letter text! -> letters
        names 900: id text!, letter text! -> letters
        comments: id bigint!, task_id bigint! -> tasks
        files: id bigint!, task_id bigint! -> tasks
        shops 26: code text!
        shelves 90: id text!, shop text! -> shops
        clerks 90: id text!, shop text! -> shops",
    ));
    for (table, decision) in [
        ("currencies", "~shared"),
        ("regions", "~shared"),
        ("letters", "~shared"),
        ("prices", "parent projects"),
        ("rates", "~system"),
        ("shops", "~system"),
    ] {
        assert_eq!(said(&proposal, table), decision, "{table}");
    }
}

#[test]
fn a_frameworks_tables_are_ignored_and_named() {
    let proposal = proposed(&product(
        "schema_migrations: version text!
        migrations: id bigint!, migration text!, batch bigint!
        SequelizeMeta: name text!
        solid_queue_jobs: id bigint!
        pgboss.job: id bigint!
        django_content_type: id bigint!
        permission_grants: id bigint!, type bigint! -> django_content_type, project_id bigint! -> projects",
    ));
    for table in ["schema_migrations", "migrations", "SequelizeMeta", "solid_queue_jobs", "pgboss.job"] {
        assert_eq!(said(&proposal, table), "ignored", "{table}");
    }
    assert!(why(&proposal, "migrations").contains("Laravel"));
    assert_eq!(said(&proposal, "django_content_type"), "shared", "a table with an owner refers to it");
}

#[test]
fn a_common_word_alone_makes_no_framework() {
    let proposal = proposed(&product("migrations: id bigint!, bird text!\njobs: id bigint!, org_id bigint! -> orgs"));
    assert_eq!(said(&proposal, "migrations"), "~system");
    assert_eq!(said(&proposal, "jobs"), "parent orgs");
}

#[test]
fn what_the_plan_refuses_is_ignored_and_nothing_is_derived_from_it() {
    let events = "events: id bigint!, org_id bigint! -> orgs\nevents_1: id bigint!\nreplies: id bigint!, event_id bigint! -> events";
    let proposal = proposed(&turned(product(events), "events", TableKind::Inherited));
    assert_eq!(said(&proposal, "events"), "ignored");
    assert!(why(&proposal, "events").contains("inheritance"));
    assert_eq!(said(&proposal, "replies"), "~system");

    let catalog = turned(product(events), "events", TableKind::Partitioned);
    let proposal = proposed(&turned(catalog, "events_1", TableKind::Partition));
    assert_eq!(said(&proposal, "events"), "parent orgs");
    assert!(!proposal.tables.contains_key(&super::qualified("events_1")), "a partition needs no rule");
    assert_eq!(said(&proposal, "replies"), "parent events");
}

#[test]
fn a_key_that_is_there_twice_cannot_be_named_so_it_is_no_way() {
    let catalog = product("notes: id bigint!, task_id bigint! -> tasks, task_id bigint! -> tasks");
    assert_eq!(said(&proposed(&catalog), "notes"), "~system");
}

#[test]
fn without_tenants_everything_is_the_systems() {
    let proposal = proposed(&catalog("tenants: id bigint!\na 5: id bigint!\nb: id bigint!, a bigint! -> a"));
    assert_eq!((said(&proposal, "a"), said(&proposal, "b")), ("system".to_owned(), "system".to_owned()));
    let file = proposal::file(&proposal, "shop");
    assert!(file.contains("[tenants]\ntable = \"saas_tenants\"\n"), "the name is taken: {file}");
}

#[test]
fn an_owner_column_that_is_there_already_is_kept() {
    let there = PRODUCT.replace(
        "projects 300: id bigint!, org_id bigint! -> orgs",
        "projects 300: id bigint!, tenant_id bigint! -> orgs",
    );
    let proposal = proposed(&catalog(&there));
    assert_eq!(said(&proposal, "projects"), "ownercolumn");
    assert_eq!(said(&proposal, "tasks"), "parent projects");
}

#[test]
fn a_column_that_is_in_the_way_of_the_owners_gives_theirs_another_name() {
    let proposal = proposed(&product("devices: id bigint!, tenant_id text, org_id bigint! -> orgs"));
    assert_eq!(proposal.owner_column, ident("owning_tenant_id"));
    assert!(proposal::file(&proposal, "shop").contains("[tenant_column]\nname = \"owning_tenant_id\"\n"));
}

#[test]
fn several_schemas_are_listed_and_every_table_is_written_with_its_own() {
    let proposal = proposed(&product("billing.invoices: id bigint!, org_id bigint! -> orgs"));
    let file = proposal::file(&proposal, "shop");
    assert!(file.contains("schemas = [\"public\", \"billing\"]\n"), "{file}");
    assert!(
        file.contains(
            "[tables.\"billing.invoices\"]\nscope = \"tenant\"\nsource = \"parent\"\nparent = \"public.orgs\"\n"
        ),
        "{file}"
    );
}
