//! What names suggest: a table that holds customers, a column that names one, a key that only says who did something.
//!
//! Names are compared word by word, in the singular: `orgUserId`, `org_user_id` and `org_users` share two words.

use crate::catalog::{Ident, QualifiedName};

/// A word for the organizations that a product serves, in the ways that it is written, and how much it says.
pub(super) struct Concept {
    /// The ways to write it.
    pub words: &'static [&'static str],
    /// From 1 (often something else) to 3 (hardly anything else).
    pub weight: u8,
}

const CONCEPTS: &[Concept] = &[
    Concept { words: &["tenant"], weight: 3 },
    Concept { words: &["organization", "organisation", "org"], weight: 3 },
    Concept { words: &["workspace"], weight: 3 },
    Concept { words: &["company"], weight: 2 },
    Concept { words: &["business"], weight: 2 },
    Concept { words: &["account", "acct"], weight: 2 },
    Concept { words: &["team"], weight: 2 },
    Concept { words: &["customer"], weight: 1 },
    Concept { words: &["client"], weight: 1 },
];

/// People and their logins.
const PEOPLE: &[&str] = &["user", "member", "person", "people", "profile", "identity", "login"];

/// Lists that are the same for everybody.
const REFERENCE: &[&str] = &[
    "type",
    "kind",
    "status",
    "country",
    "currency",
    "language",
    "locale",
    "timezone",
    "region",
    "unit",
    "permission",
    "role",
    "plan",
    "feature",
    "priority",
    "industry",
    "tier",
];

/// A key with one of these in its name tells who did something, or what was looked at last: not whose the row is.
const WEAK: &[&str] = &[
    "created", "creator", "updated", "updater", "deleted", "modified", "modifier", "author", "assigned", "assignee",
    "approved", "approver", "reviewed", "reviewer", "invited", "inviter", "edited", "editor", "current", "default",
    "last", "latest", "previous", "next", "selected", "fallback", "original", "by",
];

/// The end of a column's name that says only that it refers to something.
const REFERRING: &[&str] = &["id", "uuid", "key", "ref", "fk"];

/// The words of a name, in small letters and in the singular.
pub(super) fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, c) in chars.iter().enumerate() {
        let after_small = at > 0 && !chars[at - 1].is_uppercase();
        let before_small = chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        if !c.is_alphanumeric() || c.is_uppercase() && (after_small || before_small) {
            words.push(String::new());
        }
        if let Some(last) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            last.extend(c.to_lowercase());
        }
    }
    words.into_iter().filter(|word| !word.is_empty()).map(singular).collect()
}

fn singular(word: String) -> String {
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    let ending = match word.as_str() {
        word if word.ends_with("sses") || word.ends_with("tuses") => "es",
        word if ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) => "",
        _ => "s",
    };
    word.strip_suffix(ending).unwrap_or(&word).to_owned()
}

/// What a table's name says about the organizations that a product serves. Another word before it (`crm_companies`)
/// makes it say less, and a person before it (`user_accounts`) makes it say nothing.
pub(super) fn concept(table: &QualifiedName) -> Option<Concept> {
    let words = words(table.name.as_str());
    let (last, before) = words.split_last()?;
    let concept = CONCEPTS.iter().find(|concept| concept.words.contains(&last.as_str()))?;
    if before.iter().any(|word| PEOPLE.contains(&word.as_str())) {
        return None;
    }
    let weight = if before.is_empty() { concept.weight } else { (concept.weight - 1).max(1) };
    Some(Concept { words: concept.words, weight })
}

/// Whether a column is called as one that names a row of the tenants table: `org_id`, `organizationId`, `org`.
pub(super) fn names_tenant(column: &Ident, tenants: &QualifiedName) -> bool {
    let mut column = words(column.as_str());
    if column.last().is_some_and(|word| REFERRING.contains(&word.as_str())) {
        column.pop();
    }
    let spelled = concept(tenants)
        .is_some_and(|concept| matches!(column.as_slice(), [one] if concept.words.contains(&one.as_str())));
    spelled || column == words(tenants.name.as_str())
}

/// Whether a foreign key's columns say who did something rather than whose the row is.
pub(super) fn is_weak(columns: &[Ident]) -> bool {
    columns.iter().any(|column| words(column.as_str()).iter().any(|word| WEAK.contains(&word.as_str())))
}

/// Whether one of the words is in a column's name.
pub(super) fn says(column: &Ident, list: &[&str]) -> bool {
    words(column.as_str()).iter().any(|word| list.contains(&word.as_str()))
}

/// Whether a table holds people.
pub(super) fn is_people(table: &QualifiedName) -> bool {
    ends_in(table, PEOPLE)
}

/// Whether a table is called as reference data is.
pub(super) fn is_reference(table: &QualifiedName) -> bool {
    ends_in(table, REFERENCE)
}

fn ends_in(table: &QualifiedName, list: &[&str]) -> bool {
    words(table.name.as_str()).last().is_some_and(|last| list.contains(&last.as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn table(name: &str) -> QualifiedName {
        QualifiedName { schema: Ident::new("public").unwrap(), name: Ident::new(name).unwrap() }
    }

    #[test]
    fn a_name_falls_into_the_same_words_in_every_spelling() {
        for name in ["org_user_ids", "orgUserId", "OrgUserID", "ORG_USER_ID", "org user-id"] {
            assert_eq!(words(name), ["org", "user", "id"], "{name}");
        }
        assert_eq!(words("companies"), ["company"]);
        assert_eq!(words("addresses_status"), ["address", "status"]);
        assert_eq!(words("Größe"), ["größe"]);
        assert!(words("\"--\"").is_empty());
    }

    #[test]
    fn a_table_of_organizations_is_told_from_what_only_sounds_like_one() {
        let weight = |name: &str| concept(&table(name)).map(|concept| concept.weight);
        assert_eq!(weight("Organizations"), Some(3));
        assert_eq!(weight("org"), Some(3));
        assert_eq!(weight("crm_companies"), Some(1));
        assert_eq!(weight("customers"), Some(1));
        assert_eq!(weight("user_accounts"), None);
        assert_eq!(weight("org_user"), None);
    }

    #[test]
    fn a_column_names_a_tenant_by_the_tables_name_or_by_another_word_for_it() {
        let names = |column: &str, tenants: &str| names_tenant(&Ident::new(column).unwrap(), &table(tenants));
        for column in ["org_id", "orgId", "organization_id", "organisationUuid", "org"] {
            assert!(names(column, "organizations"), "{column}");
        }
        assert!(names("billing_group_id", "billing_groups"));
        for column in ["parent_org_id", "organization_name", "tenant_id", "id", "org_user_id"] {
            assert!(!names(column, "organizations"), "{column}");
        }
    }

    #[test]
    fn a_key_that_tells_who_did_it_is_weak() {
        let weak = |column: &str| is_weak(&[Ident::new(column).unwrap()]);
        assert!(weak("createdBy") && weak("author_id") && weak("current_team_id") && weak("signed_by"));
        assert!(!weak("user_id") && !weak("owner_id") && !weak("babysitter_id"));
    }
}
