"""The plan laid over the settings of a project: what it sets, what it leaves, and what it
refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures import foreign
from fixtures.overlaid import refusal, settings


def test_databases_lead_to_the_stack_and_keep_what_the_project_means(tmp_path: Path) -> None:
    (databases,) = settings(foreign.make(tmp_path), "DATABASES")
    assert (databases["default"]["ENGINE"], databases["default"]["NAME"]) == ("pgstack.db", "app")
    assert databases["default"]["ATOMIC_REQUESTS"] is True
    assert databases["default"]["OPTIONS"] == {"application_name": "web", "connect_timeout": 10}
    assert databases["direct"]["USER"] == "app_owner"


def test_other_aliases_stay_and_are_told_of(tmp_path: Path) -> None:
    project = foreign.make(
        tmp_path, more='DATABASES["ledger"] = {"ENGINE": "django.db.backends.oracle"}\n'
    )
    (databases,) = settings(project, "DATABASES")
    assert databases["ledger"]["ENGINE"] == "django.db.backends.oracle"
    told = foreign.told(project).stdout
    assert (
        "DATABASES['ledger']: it stays as it is: the stack neither runs nor verifies this database."
        in told
    )


def test_the_migrate_command_is_the_stacks_and_its_files_stay(tmp_path: Path) -> None:
    apps, middleware = settings(foreign.make(tmp_path), "INSTALLED_APPS", "MIDDLEWARE")
    assert (apps[0], apps[-1]) == ("pgstack", "notes")
    assert middleware[0] == "pgstack.middleware.Operations"
    assert middleware[1] == "django.middleware.security.SecurityMiddleware"
    assert middleware[-1] == "django.middleware.clickjacking.XFrameOptionsMiddleware"


def test_a_key_of_its_own_stays_and_a_placeholder_goes(tmp_path: Path) -> None:
    own = settings(foreign.make(tmp_path / "own"), "SECRET_KEY")
    placeholder = foreign.make(
        tmp_path / "placeholder", more='SECRET_KEY = "django-insecure-abc"\n'
    )
    assert own[0].startswith("a key of its own")
    assert "insecure" not in settings(placeholder, "SECRET_KEY")[0]
    assert "SECRET_KEY: it begins with django-insecure-" in foreign.told(placeholder).stdout


def test_debug_is_off_and_hosts_are_the_plans(tmp_path: Path) -> None:
    project = foreign.make(tmp_path, more='ALLOWED_HOSTS = ["*"]\n')
    assert settings(project, "DEBUG", "ALLOWED_HOSTS", hosts="shop.example") == [
        False,
        ["shop.example"],
    ]


SECURE = 'SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = True\nCSRF_COOKIE_NAME = "__Secure-csrf"\n'


def test_plain_http_takes_back_what_only_works_over_tls(tmp_path: Path) -> None:
    project = foreign.make(tmp_path, more=SECURE)
    names = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_NAME")
    assert settings(project, *names) == [False, False, "csrf"]
    assert settings(project, *names, tls="self-signed") == [True, True, "__Secure-csrf"]


def test_a_forwarded_scheme_is_believed_only_behind_a_proxy(tmp_path: Path) -> None:
    project = foreign.make(tmp_path, more='SECURE_PROXY_SSL_HEADER = ("HTTP_X_SCHEME", "https")\n')
    names = ("SECURE_PROXY_SSL_HEADER", "SESSION_COOKIE_SECURE", "CSRF_TRUSTED_ORIGINS")
    assert settings(project, *names, hosts="shop.example") == [
        None,
        False,
        ["http://shop.example:8000"],
    ]
    behind = settings(project, *names, hosts="shop.example", proxy="on")
    assert behind == [["HTTP_X_FORWARDED_PROTO", "https"], True, ["https://shop.example"]]
    assert (
        "SECURE_PROXY_SSL_HEADER: off: any client may send such a header."
        in foreign.told(project).stdout
    )


def test_files_go_where_apache_finds_them(tmp_path: Path) -> None:
    project = foreign.make(tmp_path, more='STATIC_URL = "/assets/"\n')
    made = foreign.plan(project)
    assert settings(project, "STATIC_ROOT", "STATIC_URL", "MEDIA_ROOT", "MEDIA_URL") == [
        made.paths.static,
        "/static/",
        f"{made.paths.media}/public",
        "/media/",
    ]
    assert "STATIC_URL: /static/ takes the place of /assets/" in foreign.told(project).stdout


def test_a_setting_keeps_the_type_that_the_project_has(tmp_path: Path) -> None:
    more = (
        'STATIC_ROOT = BASE_DIR / "static"\nINSTALLED_APPS = tuple(INSTALLED_APPS)\nMIDDLEWARE = '
        "tuple(MIDDLEWARE)\n"
        "ALLOWED_HOSTS = CSRF_TRUSTED_ORIGINS = ()\n"
    )
    code = (
        "from django.conf import settings as s; print(s.STATIC_ROOT / 'x', s.MEDIA_ROOT / 'x', "
        "sep='|'); "
        "[getattr(s, n) + () for n in ('INSTALLED_APPS', 'MIDDLEWARE', 'ALLOWED_HOSTS', "
        "'CSRF_TRUSTED_ORIGINS')]"
    )
    project = foreign.make(tmp_path, more=more)
    paths = foreign.plan(project).paths
    done = foreign.told(project, "-c", code)
    assert done.stdout.strip() == f"{paths.static}/x|{paths.media}/public/x", done.stderr


def test_uploads_without_an_address_are_not_public(tmp_path: Path) -> None:
    project = foreign.make(tmp_path, more='MEDIA_URL = ""\n')
    assert settings(project, "MEDIA_ROOT")[0].endswith("/media/private")


def test_files_that_are_elsewhere_stay_there(tmp_path: Path) -> None:
    more = (
        'STATIC_URL = "https://cdn.example/s/"\nSTORAGES = {"default": {"BACKEND": '
        '"shop.s3"}}\nMEDIA_ROOT = "m"\n'
    )
    assert settings(foreign.make(tmp_path, more=more), "STATIC_URL", "MEDIA_ROOT") == [
        "https://cdn.example/s/",
        "m",
    ]


def test_the_environment_file_is_read_and_the_address_of_the_database_is_the_stacks(
    tmp_path: Path,
) -> None:
    project = foreign.make(tmp_path, "DATABASE_URL or nothing")
    (project / "env").write_text(
        "SHOP_GREETING='hello there'\nDATABASE_URL=postgres://elsewhere/x\n"
    )
    loaded = settings(project, "GREETING", "DATABASES", environment=project / "env")
    assert loaded[0] == "hello there"
    assert loaded[1]["default"]["HOST"].endswith("/.stack/run/pooler")


@pytest.mark.parametrize(
    "engine",
    [
        "tenant_schemas.postgresql_backend",
        "django.db.backends.mysql",
    ],
)
def test_another_engine_is_refused_with_the_setting_and_the_remedy(
    tmp_path: Path, engine: str
) -> None:
    project = foreign.make(tmp_path, more=f'DATABASES["default"]["ENGINE"] = "{engine}"\n')
    message = refusal(project)
    assert message.startswith(
        f"DATABASES['default']['ENGINE']={engine}: the overlay cannot replace it"
    )
    assert "Use django.db.backends.postgresql" in message


POSTGIS = 'DATABASES["default"]["ENGINE"] = "django.contrib.gis.db.backends.postgis"\n'


APP = 'INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.gis"]\n'


@pytest.mark.parametrize("more", [POSTGIS, APP])
def test_a_geodjango_project_gets_its_engine_with_postgis(tmp_path: Path, more: str) -> None:
    """An address gives no spatial engine; the installed apps say what the project is."""
    project = foreign.make(tmp_path, more=more)
    (databases,) = settings(project, "DATABASES", extensions=("postgis",))
    engines = {alias["ENGINE"] for alias in databases.values()}
    assert engines == {"pgstack.db.postgis"}


TENANTS = 'DATABASES["default"]["ENGINE"] = "django_tenants.postgresql_backend"\n'


ON_POSTGIS = 'ORIGINAL_BACKEND = "django.contrib.gis.db.backends.postgis"\n'


@pytest.mark.parametrize(
    ("more", "below"),
    [(TENANTS, "pgstack.db"), (TENANTS + ON_POSTGIS, "pgstack.db.postgis")],
)
def test_a_project_with_django_tenants_gets_its_engine(
    tmp_path: Path, more: str, below: str
) -> None:
    project = foreign.make(tmp_path, more=more)
    databases, original = settings(
        project, "DATABASES", "ORIGINAL_BACKEND", extensions=("postgis",)
    )
    engines = {alias["ENGINE"] for alias in databases.values()}
    assert (engines, original) == ({"pgstack.db.tenants"}, below)


def test_an_alias_of_reads_comes_with_its_router_and_its_middleware(tmp_path: Path) -> None:
    project = foreign.make(tmp_path)
    databases, routers, middleware = settings(
        project, "DATABASES", "DATABASE_ROUTERS", "MIDDLEWARE", replicas="read"
    )
    assert "ATOMIC_REQUESTS" not in databases["replica"]
    assert routers == ["pgstack.db.router.ReplicaRouter", "notes.routers.OnlyDefault"]
    assert middleware[:2] == ["pgstack.middleware.Operations", "pgstack.middleware.ReplicaReads"]


def test_an_alias_of_reads_is_refused_with_django_tenants(tmp_path: Path) -> None:
    done = foreign.told(foreign.make(tmp_path, more=TENANTS), replicas="read")
    assert done.returncode == 2
    assert (
        "STACK_REPLICAS=read: django-tenants chooses the tenant of `default` alone" in done.stderr
    )


def test_a_geodjango_project_without_postgis_is_told_the_input(tmp_path: Path) -> None:
    assert refusal(foreign.make(tmp_path, more=POSTGIS)) == (
        "DATABASES['default']['ENGINE']=django.contrib.gis.db.backends.postgis: the database has "
        "no PostGIS. Set STACK_EXTENSIONS=postgis (docs/extensions.md)."
    )


def test_a_variable_that_is_missing_is_named_with_the_place_for_it(tmp_path: Path) -> None:
    assert refusal(foreign.make(tmp_path, "DATABASE_URL or nothing")) == (
        "shop.settings: it cannot be imported: KeyError: 'SHOP_GREETING' (shop/settings.py, line "
        "27). A variable "
        "that it needs belongs in the file that STACK_ENVIRONMENT names."
    )


def test_a_file_of_another_account_is_told_as_one(tmp_path: Path) -> None:
    message = refusal(foreign.make(tmp_path, more="raise PermissionError(13, 'no', '/data/key')\n"))
    assert "PermissionError: [Errno 13] no: '/data/key'" in message
    assert "a file that they share must be readable by the group" in message


def test_settings_that_connect_at_their_import_are_refused(tmp_path: Path) -> None:
    more = 'import os, psycopg2\npsycopg2.connect(os.environ["DATABASE_URL"])\n'
    message = refusal(foreign.make(tmp_path, more=more))
    assert message.startswith("shop.settings: it cannot be imported: OperationalError: ")
    assert message.endswith("they are read before the database is there. Move it to first use.")


def test_settings_that_are_not_there_are_refused(tmp_path: Path) -> None:
    project = foreign.make(tmp_path)
    (project / "shop/settings.py").unlink()
    assert "No module named 'shop.settings'. The project has no requirements" in refusal(project)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            'ASGI_APPLICATION = "shop.asgi.application"\n',
            "ASGI_APPLICATION: mod_wsgi serves WSGI only",
        ),
        (
            'DATABASES["default"]["OPTIONS"] = {"pool": True}\n',
            "['OPTIONS']['pool']: left out: PgBouncer pools.",
        ),
        (
            'DATABASES["default"]["OPTIONS"] = {"options": "-c x"}\n',
            "['OPTIONS']['options']: left out: PgBouncer",
        ),
        (
            'DATABASES["default"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}\n',
            "SQLite's x. Rows in that",
        ),
    ],
)
def test_what_does_not_work_here_is_told_with_its_reason(
    tmp_path: Path, more: str, told: str
) -> None:
    done = foreign.told(foreign.make(tmp_path, more=more))
    assert done.returncode == 0, done.stderr
    assert told in done.stdout


def test_laid_over_twice_it_is_the_same(tmp_path: Path) -> None:
    once = foreign.make(tmp_path / "once", more=SECURE)
    lines = "from pgstack.overlay import integrate\nintegrate(globals())\n"
    twice = foreign.make(tmp_path / "twice", more=SECURE + lines)
    names = (
        "INSTALLED_APPS",
        "MIDDLEWARE",
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "CSRF_COOKIE_NAME",
        "STATIC_URL",
    )
    assert settings(once, *names) == settings(twice, *names)


def test_lines_in_the_settings_do_nothing_without_a_plan(tmp_path: Path) -> None:
    namespace: dict[str, Any] = {"DEBUG": True}
    exec("from pgstack.overlay import integrate\nintegrate(globals())", namespace)
    assert namespace["DEBUG"] is True
    assert "DATABASES" not in namespace
