"""A site of many tenants as its author runs it: it knows nothing of the stack."""

from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "django-insecure-only-on-its-authors-machine"
DEBUG = True
SHARED_APPS = ["django_tenants", "houses", "django.contrib.contenttypes"]
TENANT_APPS = ["notes"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]
TENANT_MODEL = "houses.House"
TENANT_DOMAIN_MODEL = "houses.Domain"
DATABASE_ROUTERS = ("django_tenants.routers.TenantSyncRouter",)
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware"]
ROOT_URLCONF = "guests.urls"
DATABASES = {"default": {"ENGINE": "django_tenants.postgresql_backend", "NAME": "guests"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "static/"
