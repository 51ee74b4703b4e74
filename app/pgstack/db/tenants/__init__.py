"""`ENGINE = "pgstack.db.tenants"`: the same for django-tenants, a schema for each tenant."""
