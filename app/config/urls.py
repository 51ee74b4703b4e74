"""Addresses: the operations pages of `pgstack`, then the demo."""

from django.urls import include, path

handler400 = "demo.views.errors.bad_request"
handler403 = "demo.views.errors.forbidden"
handler404 = "demo.views.errors.not_found"
handler500 = "demo.views.errors.server_error"

urlpatterns = [
    path("", include("demo.urls")),
    path("", include("pgstack.urls")),
]
