"""Plan, render, run and verify Django on Apache, PgBouncer and PostgreSQL."""
