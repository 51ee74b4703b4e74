"""People who are logged in: with a new secret key, and behind a proxy."""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from fixtures import foreign
from fixtures.local_stack import LocalStack
from fixtures.proxy import nginx
from styles.serving import serve

pytestmark = pytest.mark.integration


@pytest.mark.slow
def test_a_new_secret_key_logs_nobody_out_until_the_old_one_goes(
    stack: LocalStack, place: Path
) -> None:
    """By the steps of docs/your-project.md: who comes in between gets a session of the new key, and stays."""
    serve(stack, foreign.make(place / "keys", "dj-database-url"))
    comes, stays_away = (
        stack.manage("shell", "--verbosity=0", "-c", foreign.LOG_IN).stdout.strip()
        for _ in range(2)
    )
    file = stack.directory / "secrets/django_secret_key"
    old = file.read_text()
    assert (visit(stack, comes), visit(stack, stays_away)) == (comes, stays_away)
    believed, _, signs, _ = foreign.rotation("local").partition("; ")[2].split(" && ")
    sessions = [comes]
    for step in (believed, signs, "sed -i 1q $f"):
        subprocess.run(["sh", "-c", step], check=True, env={**os.environ, "f": str(file)})
        released = stack.manage("stack_local", "release")
        assert released.returncode == 0, released.stderr
        sessions.append(visit(stack, sessions[-1]))
        assert stack.manage("stack_verify").returncode == 0
    assert file.stat().st_mode & 0o777 == 0o440
    assert [before == after for before, after in pairwise(sessions)] == [True, False, True]
    assert visit(stack, stays_away) == ""
    file.write_text(old)
    assert stack.manage("stack_local", "release").returncode == 0


def visit(stack: LocalStack, session: str) -> str:
    """The session that somebody has after asking for the front page; empty when it sends him to log in."""
    answer = requests.get(stack.url, cookies={"sessionid": session}, timeout=10)
    return answer.cookies.get("sessionid", session) if answer.text == "in" else ""


def test_people_log_in_through_a_proxy_that_ends_tls(stack: LocalStack, place: Path) -> None:
    project = foreign.make(place / "behind")
    serve(stack, project, STACK_PROXY="on")
    person = {
        "DJANGO_SUPERUSER_PASSWORD": "long and unlikely",
        "STACK_PROXY": "on",
        "STACK_PROJECT": str(project),
    }
    made = stack.manage(
        "createsuperuser", "--noinput", "--username=me", "--email=me@shop.example", **person
    )
    assert made.returncode == 0, made.stderr
    with nginx(place / "nginx", stack.url) as url, requests.Session() as session:
        session.trust_env, session.verify = False, str(place / "nginx/certificate.pem")
        session.mount(url, HTTPAdapter(max_retries=Retry(connect=10, backoff_factor=0.1)))
        form = session.get(f"{url}/admin/", timeout=10)
        assert form.url == f"{url}/admin/login/?next=/admin/", (
            "what leads to another page stays with the proxy"
        )
        token = form.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        answers = {
            "csrfmiddlewaretoken": token,
            "username": "me",
            "password": person["DJANGO_SUPERUSER_PASSWORD"],
        }
        page = session.post(
            form.url, answers, headers={"Origin": url, "Referer": form.url}, timeout=10
        )
        assert (page.status_code, page.url) == (200, f"{url}/admin/")
        assert {cookie.name: cookie.secure for cookie in session.cookies} == {
            "csrftoken": True,
            "sessionid": True,
        }
        assert (
            session.post(f"{url}/note", params={"text": "x"}, timeout=10).json()["secure"] is True
        )
