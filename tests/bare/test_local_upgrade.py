"""The local target on a Debian that was upgraded: rows of the PostgreSQL of before are taken along."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from bare_machine import BareMachine, bare_machine, bundle

from fixtures.releases import NEWEST, NEWEST_POSTGRESQL, NEWEST_SUITE, RELEASES

pytestmark = [pytest.mark.bare, pytest.mark.slow, pytest.mark.timeout(900)]
HOME = "/srv/project"
OLD, NEW = RELEASES[NEWEST - 1].postgresql, NEWEST_POSTGRESQL
SUITE = RELEASES[NEWEST - 1].suite
DATA = f"{HOME}/.stack/data"
OLDER = f"""
cd /etc/apt
cat sources.list sources.list.d/* 2> /dev/null | sed 's/{NEWEST_SUITE}/{SUITE}/g' > /root/older
ext=list; grep -q '^Types:' /root/older && ext=sources
cp /root/older sources.list.d/older.$ext
printf 'Package: *\\nPin: release n={SUITE}\\nPin-Priority: 100\\n' > preferences.d/older
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends postgresql-{OLD}
"""
SERVERS = f"""
own=$(stat -c %U {DATA})
as() {{ runuser -u "$own" -- "$@"; }}
serve() {{ as /usr/lib/postgresql/$1/bin/pg_ctl -D $2 -w -l /tmp/log$1 -o "-c unix_socket_directories=/tmp -c listen_addresses= -c config_file=/tmp/bare.conf" $3 > /dev/null; }}
install -m 644 /dev/null /tmp/bare.conf
printf "hba_file = '/tmp/bare.hba'\\n" > /tmp/bare.conf
printf 'local all all trust\\n' > /tmp/bare.hba
"""
AGE = f"""{SERVERS}
serve {NEW} {DATA} start
as /usr/lib/postgresql/{NEW}/bin/pg_dumpall -h /tmp -U postgres > /tmp/all.sql
serve {NEW} {DATA} stop
as mv {DATA} {DATA}.young
as /usr/lib/postgresql/{OLD}/bin/initdb -D {DATA} -U postgres -k --locale=C.UTF-8 > /dev/null
serve {OLD} {DATA} start
as psql -qX -h /tmp -U postgres -f /tmp/all.sql > /dev/null 2>&1
serve {OLD} {DATA} stop
rm -r {DATA}.young
"""
"""the same rows in the format of the version before"""
ROWS = "SELECT count(*) || ' ' || sum(randomnumber) FROM world"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareMachine]:
    """One whose stack has data of the version before."""
    project = bundle(tmp_path_factory.mktemp("project"))
    with bare_machine(NEWEST_SUITE, project) as bare:
        bare.clone(HOME)
        require(bare.make("up TARGET=local", HOME))
        require(bare.make("down TARGET=local", HOME))
        yield bare


def require(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def version(machine: BareMachine, data: str = DATA) -> str:
    return machine.run(f"cat {data}/PG_VERSION").stdout.strip()


def rows(machine: BareMachine) -> str:
    words = f"psql -XqAt -h {HOME}/.stack/run/postgres -U postgres -d app -c"
    done = machine.run(f'runuser -u $(stat -c %U {DATA}) -- {words} "{ROWS}"')
    return require(done).strip()


def test_nothing_is_upgraded_that_is_not_older(machine: BareMachine) -> None:
    done = machine.make("upgrade TARGET=local", HOME)
    assert done.returncode == 2
    assert f"of PostgreSQL {NEW}, and this machine has {NEW}: no later one" in done.stderr


def test_rows_are_taken_along(machine: BareMachine) -> None:
    require(machine.make("up TARGET=local", HOME))
    before = rows(machine)
    require(machine.make("down TARGET=local", HOME))
    require(machine.run(OLDER))
    require(machine.run(f"set -e; {AGE}"))
    assert version(machine) == str(OLD)

    refused = machine.make("up TARGET=local", HOME)
    assert refused.returncode == 2
    assert "`make upgrade TARGET=local` takes its rows along" in refused.stderr

    told = require(machine.make("upgrade TARGET=local REHEARSE=yes", HOME))
    assert f"rehearsal PostgreSQL {OLD} can become {NEW}: " in told
    assert version(machine) == str(OLD)

    told = require(machine.make("upgrade TARGET=local", HOME))
    print(told)
    assert f"upgraded  PostgreSQL {OLD} to {NEW} in " in told
    assert (version(machine), version(machine, f"{DATA}.before")) == (str(NEW), str(OLD))
    assert rows(machine) == before
    require(machine.make("verify TARGET=local", HOME))

    require(machine.make("upgrade TARGET=local FINISH=yes", HOME))
    assert machine.run(f"test -e {DATA}.before").returncode == 1
    again = machine.make("upgrade TARGET=local FINISH=yes", HOME)
    assert (again.returncode, "no older PostgreSQL is kept" in again.stderr) == (2, True)


def test_one_that_was_cut_off_between_two_names_goes_on(machine: BareMachine) -> None:
    require(machine.make("down TARGET=local", HOME))
    before = machine.run(f"ls {DATA}").stdout
    require(machine.run(f"mv {DATA} {DATA}.before"))
    refused = machine.make("up TARGET=local", HOME)
    assert (
        "is of an upgrade that was cut off. Run `make upgrade TARGET=local` again" in refused.stderr
    )
    machine.make("upgrade TARGET=local", HOME)  # that it is no older one is found out after that
    assert machine.run(f"ls {DATA}").stdout == before
    require(machine.make("up TARGET=local", HOME))
