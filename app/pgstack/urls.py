"""Health pages; include them at the root of a project's URLs."""

from django.urls import path

from pgstack import views
from pgstack.live.probes import web

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path(web.PATH, views.probe, name="probe"),
]
