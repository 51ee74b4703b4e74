"""Settings of the demo project.

They are production settings: there is no development variant. Whatever depends on the
machine or the deployment comes from the plan, through `pgstack.settings`.
"""

from __future__ import annotations

from typing import Any

from csp.constants import NONE, SELF

from pgstack import settings as stack
from pgstack.overlay.logs import TO_STANDARD_ERROR

SECRET_KEY = stack.secret_key()
SECRET_KEY_FALLBACKS = stack.secret_key_fallbacks()
ALLOWED_HOSTS = stack.allowed_hosts()
DEBUG = False

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "csp",
    "pgstack",
    "demo",
]

# Every entry runs on every request (all six: 23 µs), so each one says what it is here for.
# An answer that one of them makes passes only through those above it.
MIDDLEWARE = [
    "demo.middleware.EveryAnswer",  # content security policy, Content-Length
    "pgstack.middleware.ReplicaReads",  # who has just written reads that; not there without replica
    "django.middleware.clickjacking.XFrameOptionsMiddleware",  # frame-ancestors, for older browsers
    # nosniff, referrer policy; HSTS and redirect with TLS
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",  # refuses unknown hosts
    "django.middleware.gzip.GZipMiddleware",  # Apache would have to drop Content-Length to compress
    "django.middleware.csrf.CsrfViewMiddleware",  # the ledger's form
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,  # without DEBUG, Django keeps compiled templates in memory
    }
]

# --- Database -------------------------------------------------------------------------

# `default` goes through PgBouncer, `direct` straight to PostgreSQL, `replica` to a standby where
# that is planned. No ATOMIC_REQUESTS: it would add two round trips and hold a server connection for
# the whole view.
DATABASES = stack.databases()
DATABASE_ROUTERS = stack.database_routers()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Exactly "UTC", as the server reports it: any other name makes Django send SET TIME ZONE
# on each new connection, which is session state that transaction pooling does not keep.
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False

# --- Cache: Valkey where it is planned --------------------------------------------------

CACHES = stack.caches()

# --- Static files: hashed names, served by Apache -------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = stack.static_root()
STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

# --- Security -------------------------------------------------------------------------

TLS = stack.tls()
SECURE_SSL_REDIRECT = TLS
SECURE_HSTS_SECONDS = stack.hsts_seconds()
CSRF_COOKIE_SECURE = TLS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_FAILURE_VIEW = "demo.views.errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
# Browsers ignore this header on plain HTTP and complain about it in the console.
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin" if TLS else None

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "upgrade-insecure-requests": TLS,
    }
}

# The largest body that a page here has a use for is a transfer of some hundred bytes.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 50

SILENCED_SYSTEM_CHECKS = [
    # Whether every subdomain speaks TLS, and for years, is for the owner of the domain to
    # promise; this project knows one host name.
    "security.W005",  # SECURE_HSTS_INCLUDE_SUBDOMAINS
    "security.W021",  # SECURE_HSTS_PRELOAD
]
if not SECURE_HSTS_SECONDS:
    # Browsers do not forget it: the owner of the name asks for it (STACK_HSTS).
    SILENCED_SYSTEM_CHECKS += ["security.W004"]
if not TLS:
    # Plain HTTP is planned (STACK_TLS=off: loopback, or TLS ends in front of Apache). These
    # ask for TLS, and a Secure cookie would never come back over HTTP: the form would fail.
    SILENCED_SYSTEM_CHECKS += [
        "security.W008",  # SECURE_SSL_REDIRECT
        "security.W012",  # SESSION_COOKIE_SECURE
        "security.W016",  # CSRF_COOKIE_SECURE
    ]

# --- Logging: standard error, which is Apache's error log -------------------------------

LOGGING = {
    **TO_STANDARD_ERROR,
    # A 4xx is the client's doing, and the access log has it. Django would write a traceback
    # for each oversized body, as often as a stranger likes.
    "loggers": {**TO_STANDARD_ERROR["loggers"], "django.security": {"level": "CRITICAL"}},
}
