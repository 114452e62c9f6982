//! The lists of a cascade between two sessions, in lock-step: what a row or its parent becomes between the listing and the
//! row's own pass.

use std::fmt::Write;

use super::*;

/// A task of the odd lines is the first pass's, one of the even lines is listed; the third pass takes what is left.
const LAST: i32 = 2;
/// Rows are found by their key; where it may be null, by their positions.
const FINDERS: [&str; 2] = [
    "",
    "ALTER TABLE task DROP CONSTRAINT task_pkey CASCADE, ALTER id DROP IDENTITY, ALTER id DROP NOT NULL, ADD UNIQUE (id);
    ALTER TABLE note ADD FOREIGN KEY (task_id) REFERENCES task (id);",
];
/// More blocks than the table has.
const END: i32 = 1000;

/// Every line's pass, as the script's texts want it.
fn lines(pass: impl Fn(u8) -> i32) -> String {
    (0..=u8::MAX).fold("'\\x".to_owned(), |mut text, line| {
        write!(text, "{:02x}", pass(line)).unwrap();
        text
    }) + "'"
}

fn by_parity() -> String {
    lines(|line| 1 - i32::from(line) % 2)
}

/// The tasks are unfilled, their projects are filled.
struct Tasks {
    database: Database<'static>,
    work: Backfill,
}

impl Tasks {
    /// The small database's tasks, which are in line 1 to 3, and some more.
    async fn and(more: &str) -> (Tasks, Session, Session) {
        let config = tasks_by("cascade");
        let database = crate::support::server().database().await;
        database.run(&format!("{SCHEMA}; {more}")).await;
        convert(&database, &config, Target::Phase(Phase::Expand)).await.unwrap();
        convert_to_tasks(&database, &config).await;
        let work = work_by(&database, &config, "backfill/public.task/backfill").await;
        let (a, b) = (Session::open(&database).await, Session::open(&database).await);
        (Tasks { database, work }, a, b)
    }

    fn text(&self, statement: &str, blocks: (i32, i32), values: &[(&str, &str)]) -> String {
        let settings: String = self.work.settings.iter().map(|setting| format!("{setting};")).collect();
        let places = [("$1", format!("'({},0)'", blocks.0)), ("$2", format!("'({},0)'", blocks.1))];
        let text = places.iter().fold(statement.to_owned(), |text, (name, value)| text.replace(name, value));
        let text = values.iter().fold(text, |text, (name, value)| text.replace(name, value));
        format!("BEGIN; {settings} {text}")
    }

    /// The first pass over these blocks.
    fn first(&self, blocks: (i32, i32)) -> String {
        self.part(blocks, "true")
    }

    /// A part of the first pass; the list begins with it, or not.
    fn part(&self, blocks: (i32, i32), begins: &str) -> String {
        let lines = by_parity();
        let values = [("$3", "'0'"), ("$4", lines.as_str()), ("$5", "1"), ("$6", begins)];
        self.text(self.work.lists.as_ref().unwrap().first.text(), blocks, &values) + "; COMMIT"
    }

    /// The second pass, by its list.
    fn listed(&self) -> String {
        self.text(self.work.lists.as_ref().unwrap().later.text(), (0, END), &[("$3", "'0'"), ("$4", "1")])
    }

    /// A pass that looks for its rows itself.
    fn batch(&self, pass: i32) -> String {
        let lines = if pass == LAST { lines(|_| LAST) } else { by_parity() };
        self.text(self.work.batch.text(), (0, END), &[("$3", &pass.to_string()), ("$4", &lines)]) + "; COMMIT"
    }

    async fn owner(&self, id: i64) -> i64 {
        owner(&self.database, "task", id).await
    }

    async fn unfilled(&self) -> i64 {
        self.database.number("SELECT count(*) FROM task WHERE tenant_id IS NULL").await
    }

    async fn unfilled_before(&self, block: i32) -> i64 {
        let sql = format!("SELECT count(*) FROM task WHERE tenant_id IS NULL AND ctid < '({block},0)'");
        self.database.number(&sql).await
    }

    async fn wrong(&self) -> i64 {
        let sql =
            "SELECT count(*) FROM task AS t JOIN project AS p ON p.id = t.project_id WHERE t.tenant_id <> p.org_id";
        self.database.number(sql).await
    }
}

#[tokio::test]
async fn a_listed_row_gets_its_owner_in_its_own_pass() {
    for finder in FINDERS {
        let (tasks, a, _b) = Tasks::and(finder).await;
        assert_eq!(tasks.listed().contains("r.ctid = l.at"), !finder.is_empty());
        a.run(&tasks.first((0, END))).await;
        assert_eq!((tasks.owner(11).await, tasks.owner(12).await, tasks.owner(21).await), (1, -1, 2));
        a.run(&format!("{}; COMMIT", tasks.listed())).await;
        assert_eq!(tasks.owner(12).await, 1, "{finder}");
    }
}

#[tokio::test]
async fn a_row_that_changes_after_its_listing_is_left_to_the_last_pass() {
    let changes = [("title = 'x'", 1), ("project_id = 2", 2), ("project_id = project_id", 1)];
    for ((change, expected), finder) in changes.into_iter().flat_map(|change| FINDERS.map(|finder| (change, finder))) {
        let (tasks, a, b) = Tasks::and(finder).await;
        a.run(&tasks.first((0, END))).await;
        b.run(&format!("UPDATE task SET {change} WHERE id = 12")).await;
        a.run(&format!("{}; COMMIT", tasks.listed())).await;
        assert_eq!(tasks.owner(12).await, -1, "{change}");
        a.run(&tasks.batch(LAST)).await;
        assert_eq!(tasks.owner(12).await, expected, "{change}");
    }
}

#[tokio::test]
async fn a_row_that_a_writer_is_moving_in_its_own_pass_is_left_to_the_last_one() {
    let ends = [("COMMIT", -1, 2), ("ROLLBACK", 1, 1)];
    for ((end, before, after), finder) in ends.into_iter().flat_map(|end| FINDERS.map(|finder| (end, finder))) {
        let (tasks, a, b) = Tasks::and(finder).await;
        a.run(&tasks.first((0, END))).await;
        b.run("BEGIN; UPDATE task SET project_id = 2 WHERE id = 12").await;
        let passed = a.waits(&tasks.listed()).await;
        b.run(end).await;
        passed.succeeds().await;
        a.run("COMMIT").await;
        assert_eq!(tasks.owner(12).await, before, "{end}");
        a.run(&tasks.batch(LAST)).await;
        assert_eq!(tasks.owner(12).await, after, "{end}");
    }
}

#[tokio::test]
async fn a_row_that_has_come_to_a_listed_line_does_not_get_that_lines_owner() {
    let more = format!("{} INSERT INTO task (id, project_id) VALUES (31, 3)", FINDERS[1]);
    let (tasks, a, b) = Tasks::and(&more).await;
    a.run(&tasks.first((0, END))).await;
    b.run("DELETE FROM note WHERE task_id = 12; DELETE FROM task WHERE id = 12").await;
    b.run("VACUUM task").await;
    b.run("UPDATE task SET project_id = 2 WHERE id = 31").await;
    assert_eq!(tasks.database.number("SELECT id FROM task WHERE ctid = '(0,2)'").await, 31, "not there");
    a.run(&format!("{}; COMMIT", tasks.listed())).await;
    assert_eq!(tasks.owner(31).await, -1);
    a.run(&tasks.batch(LAST)).await;
    assert_eq!(tasks.owner(31).await, 2);
}

/// Some blocks of tasks.
const MANY: &str = "INSERT INTO task (id, project_id) SELECT i, 1 + i % 3 FROM generate_series(2000, 2999) AS i";

/// Nor is a list so long that the whole table would be hashed for it.
#[tokio::test]
async fn a_long_list_is_looked_up_row_by_row() {
    for (finder, scan) in FINDERS.into_iter().zip(["Index Scan using task_pkey", "Tid Scan"]) {
        let more = "INSERT INTO task (id, project_id) SELECT i, 1 + i % 3 FROM generate_series(2000, 99999) AS i; ANALYZE task";
        let (tasks, _a, _b) = Tasks::and(&format!("{finder} {more}")).await;
        let client = tasks.database.client("explain").await;
        client.batch_execute(&tasks.first((0, END))).await.unwrap();
        let lines = explained(&client, &tasks.listed(), "COSTS OFF").await;
        assert!(lines.iter().any(|line| line.contains(scan)), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("Hash")), "{lines:#?}");
    }
}

#[tokio::test]
async fn the_parts_of_a_first_pass_make_one_list() {
    let (tasks, a, _b) = Tasks::and(MANY).await;
    for (blocks, begins) in [((0, 2), "true"), ((2, 3), "false"), ((3, END), "false")] {
        a.run(&tasks.part(blocks, begins)).await;
    }
    let unfilled = tasks.unfilled().await;
    assert!((400..600).contains(&unfilled), "{unfilled}");
    a.run(&format!("{}; COMMIT", tasks.listed())).await;
    assert_eq!((tasks.unfilled().await, tasks.wrong().await), (0, 0));
}

#[tokio::test]
async fn a_first_pass_forgets_the_list_before_it() {
    let (tasks, a, _b) = Tasks::and(MANY).await;
    a.run(&tasks.first((0, 2))).await;
    let listed_before = tasks.unfilled_before(2).await;
    a.run(&tasks.first((2, END))).await;
    a.run(&format!("{}; COMMIT", tasks.listed())).await;
    assert!(listed_before > 100, "{listed_before}");
    assert_eq!(tasks.unfilled().await, listed_before);
    a.run(&tasks.batch(LAST)).await;
    assert_eq!((tasks.unfilled().await, tasks.wrong().await), (0, 0));
}

#[tokio::test]
async fn a_session_that_has_no_lists_goes_over_the_rest_by_itself() {
    for passes in [&[LAST][..], &[1, LAST]] {
        let (tasks, a, b) = Tasks::and(MANY).await;
        a.run(&tasks.first((0, END))).await;
        let left = tasks.unfilled().await;
        b.run(&format!("{}; COMMIT", tasks.listed())).await;
        assert_eq!(tasks.unfilled().await, left, "it knows of none");
        for pass in passes {
            b.run(&tasks.batch(*pass)).await;
        }
        assert_eq!((tasks.unfilled().await, tasks.wrong().await), (0, 0), "{passes:?}");
    }
}

#[tokio::test]
async fn a_parent_that_moves_after_the_listing_has_its_new_owner_passed_on() {
    let (tasks, a, b) = Tasks::and("").await;
    a.run(&tasks.first((0, END))).await;
    b.run(MOVE).await;
    a.run(&format!("{}; COMMIT", tasks.listed())).await;
    a.run(&tasks.batch(LAST)).await;
    assert_eq!((tasks.owner(11).await, tasks.owner(12).await), (3, 3));
}

#[tokio::test]
async fn a_listed_owner_does_not_replace_what_a_moving_parent_passes_on_at_the_same_time() {
    let ends = [("COMMIT", 3), ("ROLLBACK", 1)];
    for ((end, expected), finder) in ends.into_iter().flat_map(|end| FINDERS.map(|finder| (end, finder))) {
        let (tasks, a, b) = Tasks::and(finder).await;
        a.run(&tasks.first((0, END))).await;
        b.run(&format!("BEGIN; {MOVE}")).await;
        let passed = a.waits(&tasks.listed()).await;
        b.run(end).await;
        passed.succeeds().await;
        a.run("COMMIT").await;
        assert_eq!((tasks.owner(11).await, tasks.owner(12).await), (expected, expected), "{end}");
    }
}

#[tokio::test]
async fn a_parent_that_moves_waits_for_a_listed_pass_and_passes_its_owner_on_afterwards() {
    let (tasks, a, b) = Tasks::and("").await;
    a.run(&tasks.first((0, END))).await;
    a.run(&tasks.listed()).await;
    let moved = b.waits(MOVE).await;
    commit(&a, moved).await;
    assert_eq!((tasks.owner(11).await, tasks.owner(12).await), (3, 3));
}
