"""`ENGINE = "pgstack.db"`: Django's PostgreSQL backend for connections that outlive requests."""
