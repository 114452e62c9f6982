//! MLflow: a tracker of experiments, in Python; its migrations are Alembic's.

use std::path::Path;

use super::{App, Shape, free_port, pip};

const VERSION: &str = "3.11.1";

/// Waits for the server, logs a run in an experiment, registers a model, and reads all of them back.
const WORK: &str = r#"
import sys, time, urllib.request
from mlflow.tracking import MlflowClient

url, name = sys.argv[1:]
for attempt in range(240):
    try:
        urllib.request.urlopen(url + "/health").read()
        break
    except OSError:
        time.sleep(0.5)
client = MlflowClient(tracking_uri=url)
run = client.create_run(client.create_experiment(name))
client.log_metric(run.info.run_id, "loss", 0.25)
client.log_param(run.info.run_id, "depth", "3")
client.set_tag(run.info.run_id, "kind", "try")
client.set_terminated(run.info.run_id)
client.create_registered_model(name)
data = client.get_run(run.info.run_id).data
assert (data.metrics["loss"], data.params["depth"]) == (0.25, "3"), data
assert name in [model.name for model in client.search_registered_models()]
"#;

fn install(home: &Path) {
    pip(home, &[&format!("mlflow=={VERSION}"), "psycopg2-binary==2.9.10"]);
}

fn work(app: &App, data: &Path, name: &str) {
    let port = free_port();
    let (store, artifacts) = (app.sqlalchemy(), data.to_str().unwrap());
    let server = ["server", "--host", "127.0.0.1", "--port", &port, "--workers", "1", "--backend-store-uri", &store];
    let serving = app.serve("bin/mlflow", &[&server[..], &["--artifacts-destination", artifacts]].concat());
    app.run("bin/python", &["-c", WORK, &format!("http://127.0.0.1:{port}"), name]);
    drop(serving);
}

#[tokio::test]
#[ignore = "installs an application"]
async fn mlflow_logs_runs_before_and_after() {
    let data = tempfile::tempdir().unwrap();
    let app = App::new(&format!("mlflow-{VERSION}"), install).await;
    // The server makes the schema when it starts.
    work(&app, data.path(), "before");
    app.convert(&Shape { tables: 46, shared: &[], ignored: &["alembic_version"] });
    work(&app, data.path(), "after");
    assert_eq!(app.owned("experiments").await, (3, 0), "with its own default one");
    assert_eq!(app.owned("runs").await, (2, 0));
    assert_eq!(app.owned("metrics").await, (2, 0));
    assert_eq!(app.owned("registered_models").await, (2, 0));
}
