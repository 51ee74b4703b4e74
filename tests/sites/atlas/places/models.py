from django.contrib.gis.db import models
from django.contrib.postgres.fields import HStoreField


class Place(models.Model):
    name = models.TextField()
    point = models.PointField(geography=True)
    tags = HStoreField(default=dict)
