"""The load lab: every way to reach PostgreSQL, measured side by side."""
