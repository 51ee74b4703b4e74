from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Ran",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("kind", models.CharField(max_length=20)),
                ("number", models.IntegerField()),
                ("pool", models.CharField(max_length=20)),
            ],
        )
    ]
