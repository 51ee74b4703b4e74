"""The page of the exporter within the site, for staff (docs/page.md).

Who may see it is asked of Django's own login, before anything of the project's: neither its
redirects nor its content security policy have a part in it. A site without a login is shown by an
address that `stack_page` prints. Either leaves a signed cookie, which says nothing to the project:
while it is fresh the database is not asked, for it may be what is down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings as django
from django.core.signing import BadSignature, TimestampSigner
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse

from pgstack import settings
from pgstack.errors import ProbeError
from pgstack.live.probes import exporter
from pgstack.planning.metrics import Metrics
from pgstack.planning.state import current_plan

PAGE = exporter.PAGE
NAMES = (*exporter.FILES, exporter.FIGURES, exporter.HISTORY)
KEY, COOKIE = "key", "stack-page"
SALT = "pgstack.page"
KEY_SECONDS = 600
"""for which the address of `stack_page` is good"""
FRESH_SECONDS = 60
"""for which a login is not asked for again"""
STAFF_SECONDS, KEPT_SECONDS = 12 * 3600, 12 * 3600
"""for which somebody who was staff is let in while the database does not answer; and somebody who
came by that address"""
STAFF, ADDRESS, INVITED = "staff", "address", "invited"
"""what is signed: a login that was seen, such an address, a visitor who came by it"""
NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")
KEPT_HEADERS = (
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Resource-Policy",
    "Cache-Control",
)


@dataclass(frozen=True)
class Visitor:
    """Whether somebody is let in, and the word for a new cookie where one is due."""

    allowed: bool
    word: str = ""


def addresses() -> list[str]:
    """Those that are the page's."""
    return [PAGE + name for name in NAMES]


def invitation() -> str:
    """Path and query of an address that signs in the visitor who opens it soon."""
    return f"{PAGE}?{urlencode({KEY: _signer().sign(ADDRESS)})}"


def page(request: HttpRequest, name: str = "") -> HttpResponse:
    """One of the page's files, or its figures; 403 for who is not staff. Raises Http404."""
    part = current_plan().metrics
    if part is None or name not in NAMES:
        raise Http404
    if _word(request.GET.get(KEY, ""), KEY_SECONDS) == ADDRESS:
        # Away from the address bar, and from what is written down of it.
        return _remembered(request, HttpResponseRedirect(PAGE), INVITED)
    visitor = _visitor(request)
    if not visitor.allowed:
        return _refused()
    return _remembered(request, _passed(part, name, request), visitor.word)


def _signer() -> TimestampSigner:
    return TimestampSigner(key=settings.secret_key(), salt=SALT)


def _word(signed: str, seconds: int) -> str:
    try:
        return _signer().unsign(signed, max_age=seconds) if signed else ""
    except BadSignature:
        return ""


def _visitor(request: HttpRequest) -> Visitor:
    cookie = request.COOKIES.get(COOKIE, "")
    if _word(cookie, KEPT_SECONDS) == INVITED or _word(cookie, FRESH_SECONDS) == STAFF:
        return Visitor(allowed=True)
    try:
        return Visitor(allowed=_is_staff(request), word=STAFF)
    except Error:
        return Visitor(allowed=_word(cookie, STAFF_SECONDS) == STAFF, word=STAFF)


def _is_staff(request: HttpRequest) -> bool:
    """By Django's login, where the project has it: its middleware may not have run. Raises
    django.db.Error."""
    if not apps.is_installed("django.contrib.auth"):
        return False
    from django.contrib.auth import get_user

    if not hasattr(request, "session"):
        store = import_module(django.SESSION_ENGINE).SessionStore
        request.session = store(request.COOKIES.get(django.SESSION_COOKIE_NAME))
    user = get_user(request)
    return bool(user.is_active and getattr(user, "is_staff", False))


def _refused() -> HttpResponse:
    words = "This page is for staff: sign in to the site with an account that is staff first.\n"
    try:
        words += f"{reverse('admin:login')}?{urlencode({'next': PAGE})}\n"
    except NoReverseMatch:
        words += "Or have `manage.py stack_page` print an address that lets you in.\n"
    answer = HttpResponse(words, content_type="text/plain", status=403)
    answer["Cache-Control"] = "no-store"
    return answer


def _passed(part: Metrics, name: str, request: HttpRequest) -> HttpResponse:
    """What the exporter answers."""
    try:
        from_exporter = exporter.ask(part, PAGE + name + _query(request))
    except ProbeError as error:
        return HttpResponse(f"{error}\n", content_type="text/plain", status=503)
    answer = HttpResponse(
        from_exporter.body, content_type=from_exporter.type, status=from_exporter.status
    )
    for header in KEPT_HEADERS:
        if header in from_exporter.headers:
            answer[header] = from_exporter.headers[header]
    return answer


def _query(request: HttpRequest) -> str:
    """What is passed on of what was asked: a number, or the name of a range."""
    since, wanted = request.GET.get("since", ""), request.GET.get("range", "")
    if wanted in exporter.RANGES:
        return f"?range={wanted}"
    return f"?since={since}" if NUMBER.fullmatch(since) else ""


def _remembered(request: HttpRequest, answer: HttpResponse, word: str) -> HttpResponse:
    if word:
        answer.set_cookie(
            COOKIE,
            _signer().sign(word),
            max_age=KEPT_SECONDS,
            path=PAGE,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
    return answer
