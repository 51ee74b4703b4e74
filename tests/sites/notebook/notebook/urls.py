from django.urls import path
from notes import views

urlpatterns = [
    path("notes", views.notes),
    path("hello", views.hello),
    path("mine", views.mine),
    path("visits", views.visits),
    path("broken", views.broken),
]
