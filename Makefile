# What one types; the scripts say how.

.PHONY: demo test test-matrix ci postgres

# Shows a whole conversion on a throw-away server.
demo: postgres
	cargo run --release -- demo

test: postgres
	cargo test

# The same against PostgreSQL 14 to 18, or VERSIONS="14 18".
test-matrix:
	scripts/matrix.sh

ci:
	.ci/run

postgres:
	@scripts/postgres.sh
