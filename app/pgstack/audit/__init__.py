"""Static audit of a project before it moves behind a transaction pooler. See docs/audit.md."""
