from django.db import models


class Note(models.Model):
    text = models.TextField()
    read = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.text
