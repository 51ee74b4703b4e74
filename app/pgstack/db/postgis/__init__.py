"""`ENGINE = "pgstack.db.postgis"`: the same for GeoDjango."""
