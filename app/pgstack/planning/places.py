"""What the parts of a stack are called and where they are: releases, names, paths, accounts."""

from __future__ import annotations

from pgstack.planning.part import Part


class Versions(Part):
    """What the Debian release brings."""

    postgresql: int
    pgbouncer: str
    mod_wsgi: str
    python: str
    pgbackrest: str
    patroni: str
    valkey: str
    """package and program of Valkey"""
    systemd: int


class Names(Part):
    """What is one stack's own on a machine, beside the other stacks there."""

    site: str
    prefix: str
    """begins the names of its units and directories"""
    title: str
    """what descriptions call it"""
    accounts: str
    """begins the names of its accounts"""
    cluster: str
    """of PostgreSQL"""
    programs: str
    """directory of stackctl and its packages"""
    stackctl: str
    """name of the program, as `manage`"""
    manage: str
    """runs management commands"""


class Share(Part):
    """What a host with several sites is divided into."""

    sites: dict[str, int]
    """weight of each, in the order of their ports"""
    cores: int
    """of the machine, as `memory`, in bytes"""
    memory: int
    front: int
    """bytes of the Apache that answers for all of them; 0 where there is one site"""


class Paths(Part):
    """Absolute paths."""

    root: str
    run: str
    """of sockets, marks and locks"""
    conf: str
    home_postgres: str
    """of PostgreSQL's account"""
    data: str
    run_postgres: str
    run_pooler: str
    """where clients find PgBouncer's socket"""
    run_pooler_own: str
    """where PgBouncer makes it: where two instances take turns, `run_pooler` leads to one
    of them"""
    run_apache: str
    run_workers: str
    """of who supervises the workers"""
    run_valkey: str
    valkey: str
    """what Valkey keeps on the disk"""
    run_metrics: str
    """of the exporter's socket"""
    measures: str
    """where web processes keep what they measure, for the exporter"""
    bodies: str
    """where Apache keeps the body of a request until all of it is there"""
    streams: str
    """where it notes that a body is handed on while it comes in"""
    log: str
    access_log: str
    """of Apache, as `error_log`; a container's engine keeps them"""
    error_log: str
    drain: dict[str, str]
    """file that has an instance of Apache close each connection after its answer; the only one has
    no name, and where nobody makes such a file there is none"""
    static: str
    media: str
    """what users upload; it outlives releases"""
    cache: str
    """one directory for each account that runs the project's code: its home, and what libraries
    keep there"""
    schedule: str
    """directory in which the scheduler notes what ran; systemd has places of its own"""
    secrets: str
    tls: str
    database: str
    """what is needed to log in at a PostgreSQL on another machine: passwords, its authority"""
    backup: str
    """keys and passphrase of what backups are kept in, and what pgBackRest reads"""
    code: str
    """the directory `app` of this checkout"""
    app: str
    """the project, which is the former's demo or one of its own"""
    venv: str


class Accounts(Part):
    """Operating system accounts, and the groups that may reach the sockets and read the project's
    secrets."""

    web: str
    apache: str
    """who listens, has the key of TLS and writes Apache's logs; where it is not `web`, its parent
    is root"""
    worker: str
    """who runs the project's workers"""
    deploy: str
    build: str
    """where requirements are installed, whose code it runs: it reaches nothing"""
    postgres: str
    pooler: str
    valkey: str
    follower: str
    """who leads PgBouncer to the primary of a cluster"""
    metrics: str
    """who collects metrics: it sees states and counts, and no row"""
    group: str
    secrets: str
    site: str
    """group that alone may enter what is the site's; empty: the machine has no other site"""


class Packages(Part):
    """Debian packages that the inputs ask for, beside those of the servers."""

    web: tuple[str, ...]
    """where the project's code runs: its own, and libraries that go with extensions"""
    postgres: tuple[str, ...]
    """where PostgreSQL runs"""
