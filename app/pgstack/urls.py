"""Health pages, and the page for staff; include them at the root of a project's URLs."""

from django.urls import path, re_path

from pgstack import staff_page, views
from pgstack.live.probes import web

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    # below every prefix, so that each lane has one
    re_path(f"^(?:.*/)?{web.PATH}$", views.probe, name="probe"),
    *(
        path(staff_page.PAGE.lstrip("/") + name, staff_page.page, {"name": name})
        for name in staff_page.NAMES
    ),
]
