//! The plan for a pull request.

use tenantctl::plan::{Facts, Kind, Notice};
use tenantctl::report::Format;
use tenantctl::report::plan::Detail;
use tenantctl::sql::Script;

use super::{blocked, converted, written};
use crate::support::plan::{self, catalog, name, table};

fn markdown(script: &Script) -> String {
    written(script, Format::Markdown, Detail::Brief)
}

#[test]
fn a_plan_for_a_pull_request_is_short_and_folds_its_sql_away() {
    let mut script = blocked();
    script.migrations.truncate(2);
    insta::assert_snapshot!(markdown(&script));
}

/// Cells and tags of every line that is not SQL.
fn lines(page: &str) -> Vec<&str> {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for line in page.lines() {
        match fence {
            Some(end) if line == end => fence = None,
            Some(_) => {}
            None if line.ends_with("`sql") => fence = line.strip_suffix("sql"),
            None => lines.push(line),
        }
    }
    assert_eq!(fence, None, "the SQL does not end");
    lines
}

/// Bars that end a cell.
fn bars(line: &str) -> usize {
    line.char_indices().filter(|(at, character)| *character == '|' && !line[..*at].ends_with('\\')).count()
}

#[test]
fn a_name_is_no_cell_no_tag_no_emphasis_and_calls_nobody() {
    let config = "[tables]\n\"\\\"a|b``c`<img src=x>*_~@team #1\\\"\" = { scope = \"tenant\" }\n";
    let odd = name("public", "a|b``c`<img src=x>*_~@team #1");
    let tables = vec![(odd.clone(), table(1, Some(7), &["id bigint!", "```\n text"]))];
    let mut script = plan::script(config, &catalog(tables), &Facts::default());
    script.notices.push(Notice {
        kind: Kind::UniqueGlobal,
        table: Some(odd),
        text: "two\nlines of <b>text</b> | for @you".to_owned(),
    });
    let page = markdown(&script);
    let lines = lines(&page);
    let tables = lines.split(|line| !line.starts_with('|')).filter(|table| !table.is_empty());
    for table in tables {
        assert!(table.iter().all(|line| bars(line) == bars(table[0])), "{table:#?}");
    }
    for line in lines {
        let code_free: String = line.split("```").step_by(2).collect();
        let tags = code_free.matches('<').count();
        let ours = ["<details>", "</details>", "<summary>", "</summary>", "<br>"];
        assert_eq!(tags, ours.iter().map(|tag| code_free.matches(tag).count()).sum::<usize>(), "{line}");
        assert!(!["@team", "@you", "#1"].iter().any(|call| code_free.contains(call)), "{line}");
    }
}

#[test]
fn a_plan_of_many_tables_fits_a_comment_and_says_what_was_left_out() {
    let word = |number: usize| format!("a_table_with_a_rather_long_name_{number:03}");
    for count in [40, 400] {
        let config: String =
            (0..count).map(|number| format!("{} = {{ scope = \"tenant\" }}\n", word(number))).collect();
        let tables = (0..count).map(|number| {
            let table = table(number as u32 + 1, Some(10), &["id bigint!", "text text!"]);
            (name("public", &word(number)), table)
        });
        let script = plan::script(&format!("[tables]\n{config}"), &catalog(tables.collect()), &Facts::default());
        let page = markdown(&script);
        assert!(page.len() > 20_000 && page.len() <= 65_536, "{}", page.len());
        assert_eq!(page.matches("<details>").count(), page.matches("</details>").count());
        let shown = page.matches("<summary>SQL of ").count();
        let left_out = format!("the SQL of {} migrations", script.migrations.len() - shown);
        assert!(page.contains(&left_out) && page.contains("`tenantctl plan --format sql`"), "{left_out}");
        lines(&page);
    }
    assert!(!markdown(&plan::small()).contains("Left out"));
}

#[test]
fn a_plan_with_nothing_to_do_says_so_in_a_pull_request() {
    let page = markdown(&converted());
    assert!(page.contains("✅ Nothing to do") && !page.contains("### Phase"), "{page}");
}
