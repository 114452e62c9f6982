# What one types; the scripts say how.

.PHONY: bench demo test test-apps test-matrix ci postgres

# Shows a whole conversion on a throw-away server.
demo: postgres
	cargo run --release -- demo

test: postgres
	cargo test

# Converts Airflow, MLflow and Medusa, which it installs from PyPI and npm into target/apps (2 GB), or into TENANTCTL_APPS.
test-apps: postgres
	cargo test --test it -- --ignored --test-threads=1 apps::

# The same as `test` against PostgreSQL 14 to 18, or VERSIONS="14 18".
test-matrix:
	scripts/matrix.sh

# Compares ways to fill an owner column; give it some ten minutes and a machine with nothing else to do.
bench: postgres
	cargo bench --bench backfill

ci:
	.ci/run

postgres:
	@scripts/postgres.sh
