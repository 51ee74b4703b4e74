import django.contrib.gis.db.models.fields
import django.contrib.postgres.fields.hstore
from django.contrib.gis.geos import Point
from django.db import migrations, models

CITIES = {
    "Berlin": (13.405, 52.52),
    "Hamburg": (9.993, 53.551),
    "Leipzig": (12.373, 51.34),
    "München": (11.576, 48.137),
    "Paris": (2.352, 48.857),
    "Praha": (14.421, 50.088),
    "Wien": (16.373, 48.208),
}
SCATTERED = 20_000
"""more points, far south of the cities, so that the index of the map has something to leave out"""


def fill(apps, schema_editor):
    place = apps.get_model("places", "Place")
    place.objects.bulk_create(
        place(name=name, point=Point(*where), tags={"kind": "city"})
        for name, where in CITIES.items()
    )
    place.objects.bulk_create(
        (
            place(name=f"buoy {number}", point=Point(number * 0.017 % 360 - 180, -60 + number % 20))
            for number in range(SCATTERED)
        ),
        batch_size=2000,
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Place",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.TextField()),
                (
                    "point",
                    django.contrib.gis.db.models.fields.PointField(geography=True, srid=4326),
                ),
                ("tags", django.contrib.postgres.fields.hstore.HStoreField(default=dict)),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
