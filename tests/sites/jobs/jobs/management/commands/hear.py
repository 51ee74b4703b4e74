from django.core.management.base import BaseCommand
from django.db import connections

from jobs.tasks import run


class Command(BaseCommand):
    help = "Does a task for each number that comes over LISTEN."

    def handle(self, **options):
        session = connections["direct"]
        with session.cursor() as cursor:
            cursor.execute("LISTEN hear")
        for arrived in session.connection.notifies():
            run("hear", int(arrived.payload))
