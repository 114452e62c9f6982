//! Medusa: a shop, in JavaScript; its migrations are MikroORM's, with one history for all its modules.

use std::path::Path;
use std::process::Command;

use super::{App, Shape, free_port, output};

const VERSION: &str = "2.12.5";

const CONFIG: &str = r#"
const { defineConfig } = require("@medusajs/framework/utils")
const http = { storeCors: "", adminCors: "", authCors: "", jwtSecret: "for a test", cookieSecret: "for a test" }
const projectConfig = { databaseUrl: process.env.DATABASE_URL, databaseDriverOptions: { ssl: false }, http }
module.exports = defineConfig({ admin: { disable: true }, projectConfig })
"#;

/// Waits for the server, logs in, adds a product with a variant and a price, and reads it back.
const WORK: &str = r#"
const [url, title] = process.argv.slice(1)
const pause = () => new Promise((resolve) => setTimeout(resolve, 500))
for (let attempt = 0; attempt < 240 && !(await fetch(url + "/health").catch(() => null))?.ok; attempt++) await pause()
async function ask(path, body, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: "Bearer " + token }) }
  const answer = await fetch(url + path, body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers })
  if (!answer.ok) throw new Error(path + ": " + answer.status + " " + (await answer.text()))
  return answer.json()
}
const { token } = await ask("/auth/user/emailpass", { email: "admin@example.com", password: "for a test" })
const variant = { title: "Small", options: { Size: "S" }, prices: [{ amount: 10, currency_code: "eur" }] }
const options = [{ title: "Size", values: ["S"] }]
const { product } = await ask("/admin/products", { title, options, variants: [variant] }, token)
await ask("/admin/products/" + product.id, { description: "Soft" }, token)
const found = await ask("/admin/products/" + product.id, undefined, token)
if (found.product.description !== "Soft" || found.product.variants.length !== 1) throw new Error(JSON.stringify(found))
"#;

fn install(home: &Path) {
    let packages = ["medusa", "framework", "cli"].map(|name| format!("@medusajs/{name}@{VERSION}"));
    std::fs::write(home.join("package.json"), r#"{ "name": "shop", "private": true }"#).unwrap();
    output(Command::new("npm").current_dir(home).args(["install", "--no-audit", "--no-fund"]).args(packages));
    std::fs::write(home.join("medusa-config.js"), CONFIG).unwrap();
}

fn work(app: &App, title: &str) {
    let port = free_port();
    let serving = app.serve("node_modules/.bin/medusa", &["start", "--host", "127.0.0.1", "--port", &port]);
    let mut client = Command::new("node");
    output(client.args(["--input-type=module", "-e", WORK, "--", &format!("http://127.0.0.1:{port}"), title]));
    drop(serving);
}

#[tokio::test]
#[ignore = "installs an application"]
async fn medusa_sells_products_before_and_after() {
    let app = App::new(&format!("medusa-{VERSION}"), install).await;
    let url = app.database.url();
    let app = app.with("DATABASE_URL", url).with("MEDUSA_DISABLE_TELEMETRY", "1");
    app.run("node_modules/.bin/medusa", &["db:migrate", "--execute-safe-links"]);
    app.run("node_modules/.bin/medusa", &["user", "-e", "admin@example.com", "-p", "for a test"]);
    work(&app, "Shirt");
    app.convert(&Shape {
        tables: 134,
        shared: &["currency", "product_type", "region", "shipping_option_type"],
        ignored: &["mikro_orm_migrations"],
    });
    work(&app, "Coat");
    assert_eq!(app.owned("product").await, (2, 0));
    assert_eq!(app.owned("product_variant").await, (2, 0));
    assert_eq!(app.owned("price").await, (2, 0));
    assert_eq!(app.owned("\"user\"").await, (1, 0));
}
