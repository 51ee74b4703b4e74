from django.db import models


class Ran(models.Model):
    """A row for each time that a task has run."""

    kind = models.CharField(max_length=20)
    number = models.IntegerField()
    pool = models.CharField(max_length=20)

    def __str__(self):
        return f"{self.kind} {self.number}"
