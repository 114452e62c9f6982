//! Many writers at once under few parents.

use std::time::{Duration, Instant};

use super::{Target, converted};

const LASTS: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_add_children_to_few_parents_while_those_move() {
    let (database, mover, _b) = converted(Target::End).await;
    let mut writers = Vec::new();
    for number in 0..32 {
        let client = database.client("crowd").await;
        writers.push(tokio::spawn(async move {
            let (started, mut added, mut longest) = (Instant::now(), 0_i64, Duration::ZERO);
            while started.elapsed() < LASTS {
                let sent = Instant::now();
                let task = format!("INSERT INTO task (project_id) VALUES ({})", 1 + (number + added) % 3);
                let note = format!(
                    "INSERT INTO note (task_id) VALUES ({})",
                    [11, 12, 21][usize::try_from(added % 3).unwrap()]
                );
                client.batch_execute(&task).await.unwrap();
                client.batch_execute(&note).await.unwrap();
                (added, longest) = (added + 1, longest.max(sent.elapsed()));
            }
            (added, longest)
        }));
    }
    let (started, mut moves) = (Instant::now(), 0);
    while started.elapsed() < LASTS {
        mover.run(&format!("UPDATE project SET org_id = 1 + org_id % 3 WHERE id = {}", 1 + moves % 3)).await;
        moves += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (mut added, mut longest) = (0, Duration::ZERO);
    for writer in writers {
        let (rows, wait) = writer.await.unwrap();
        (added, longest) = (added + rows, longest.max(wait));
    }
    assert!(added >= 32 && moves > 1, "{added} rows, {moves} moves");
    assert_eq!(database.number("SELECT count(*) FROM task").await, 3 + added);
    assert_eq!(database.number("SELECT count(*) FROM note").await, 3 + added);
    let stale = "SELECT count(*) FROM note JOIN task ON task.id = task_id JOIN project ON project.id = project_id
                 WHERE note.tenant_id <> org_id OR task.tenant_id <> org_id";
    assert_eq!(database.number(stale).await, 0);
    tell(added, moves, longest);
}

#[expect(clippy::print_stderr, reason = "a measurement, not an assertion")]
fn tell(added: i64, moves: i64, longest: Duration) {
    eprintln!("crowd: {added} rows and as many below them, {moves} moves, longest {longest:?}");
}
