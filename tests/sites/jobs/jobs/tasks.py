"""The same task in six queues: it takes a while, and leaves a row."""

import time

import dramatiq
from celery import shared_task
from django.db import connection, transaction
from django_rq import job
from django_tasks import task
from huey.contrib.djhuey import db_task
from procrastinate.contrib.django import app

TASK_SECONDS = 0.2


def run(kind, number):
    from jobs.models import Ran

    time.sleep(TASK_SECONDS)
    with transaction.atomic():
        Ran.objects.create(kind=kind, number=number, pool=connection.settings_dict["NAME"])


@shared_task
def with_celery(number):
    run("celery", number)


@db_task()
def with_huey(number):
    run("huey", number)


@task()
def with_tasks(number):
    run("tasks", number)


@app.task
def with_procrastinate(number):
    run("procrastinate", number)


@job
def with_rq(number):
    run("rq", number)


@dramatiq.actor
def with_dramatiq(number):
    run("dramatiq", number)


def hear(number):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('hear', %s)", [str(number)])


ENQUEUE = {
    "celery": with_celery.delay,
    "huey": with_huey,
    "tasks": with_tasks.enqueue,
    "procrastinate": lambda number: with_procrastinate.defer(number=number),
    "rq": with_rq.delay,
    "dramatiq": with_dramatiq.send,
    "hear": hear,
}
