//! Apache Airflow: a scheduler of workflows, in Python; its migrations are Alembic's.

use std::path::Path;

use super::{App, Shape, pip};

const VERSION: &str = "3.1.8";

/// A workflow of two tasks, one of which hands a value to the other.
const WORKFLOW: &str = r#"
from airflow.sdk import dag, task

@dag(schedule=None)
def greet():
    @task
    def whom():
        return "world"

    @task
    def say(name):
        print("hello", name)

    say(whom())

greet()
"#;

fn install(home: &Path) {
    pip(home, &[&format!("apache-airflow=={VERSION}"), "psycopg2-binary==2.9.10", "asyncpg==0.30.0"]);
}

/// Sets and reads a variable, and runs the workflow.
fn work(app: &App, value: &str) {
    app.run("bin/airflow", &["db", "check"]);
    app.run("bin/airflow", &["variables", "set", "greeting", value]);
    assert_eq!(app.run("bin/airflow", &["variables", "get", "greeting"]).lines().last(), Some(value));
    app.run("bin/airflow", &["dags", "test", "greet"]);
}

#[tokio::test]
#[ignore = "installs an application"]
async fn airflow_runs_its_workflows_before_and_after() {
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir(data.path().join("dags")).unwrap();
    std::fs::write(data.path().join("dags/greet.py"), WORKFLOW).unwrap();
    let app = App::new(&format!("airflow-{VERSION}"), install).await;
    let url = app.sqlalchemy();
    let app = app
        .with("AIRFLOW_HOME", data.path().to_str().unwrap())
        .with("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        .with("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url);

    app.run("bin/airflow", &["db", "migrate"]);
    app.run("bin/airflow", &["dags", "reserialize"]);
    work(&app, "good morning");
    app.convert(&Shape { tables: 50, shared: &[], ignored: &["alembic_version"] });
    work(&app, "good evening");
    assert_eq!(app.owned("dag_run").await, (2, 0));
    assert_eq!(app.owned("task_instance").await, (4, 0));
    assert_eq!(app.owned("variable").await, (1, 0));
}
