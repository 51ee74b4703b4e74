from django.urls import path
from places import views

urlpatterns = [
    path("", views.front),
    path("near", views.near),
    path("map.geojson", views.geojson),
    path("search", views.search),
    path("backend", views.backend),
]
