"""The plan: every number, name and path of one stack. Safe to print: it holds no secret."""

from __future__ import annotations

from typing import Literal

from pgstack.planning.background import Background, Entry, Worker
from pgstack.planning.grants import Grants
from pgstack.planning.part import Part
from pgstack.planning.valkey import Valkey

TargetName = Literal["local", "compose", "host"]


class Versions(Part):
    """What the Debian release brings."""

    postgresql: int
    pgbouncer: str
    mod_wsgi: str
    python: str
    pgbackrest: str
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
    """what pgBackRest reads, and the keys of its repository"""
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
    group: str
    secrets: str
    site: str
    """group that alone may enter what is the site's; empty: the machine has no other site"""


class Roles(Part):
    """Roles in PostgreSQL."""

    app: str = "app"
    owner: str = "app_owner"
    monitor: str = "app_monitor"
    admin: str = "postgres"


class Identity(Part):
    """Peer authentication: operating system account `account` may log in as `role`."""

    account: str
    role: str


class Site(Part):
    """What Apache serves, and to whom."""

    address: str
    port: int
    hosts: tuple[str, ...]
    tls: Literal["off", "self-signed", "files", "acme"]
    tls_certificate: str
    """what Apache reads, like `tls_key`"""
    tls_key: str
    tls_given_certificate: str
    """what STACK_TLS=files names, like `tls_given_key`; the copy in `tls_certificate` is made from
    it"""
    tls_given_key: str
    instance_ports: dict[str, int]
    """port on the loopback address at which each of a host's two instances of Apache answers by
    itself"""
    redirect_port: int
    """port on which plain HTTP is answered with the address over TLS; 0 for none"""
    acme_directory: str
    """address of the certificate authority's directory, like `acme_email` only for TLS by ACME"""
    acme_email: str
    """whom it tells of certificates that end"""
    hsts: int
    """seconds that a browser may only come back over TLS; 0 without TLS"""
    proxy: bool
    """whether a proxy in front of Apache ends TLS"""
    proxy_addresses: tuple[str, ...]
    """networks of proxies whose X-Forwarded-For is believed"""
    upload_limit: int
    """bytes of a request's body"""
    upload_limit_text: str
    """the same as a person reads it"""

    @property
    def url(self) -> str:
        """Address of the front page."""
        scheme = "http" if self.tls == "off" else "https"
        port = "" if (scheme, self.port) in (("http", 80), ("https", 443)) else f":{self.port}"
        return f"{scheme}://{self.hosts[0].lstrip('.')}{port}/"


class Firewall(Part):
    """What a host lets in from outside."""

    enabled: bool
    ssh_ports: tuple[int, ...]
    unit: str
    """that loads its rules; several sites of a host have one"""
    rules: str
    """path of their file"""
    site_ports: tuple[int, ...]
    """open to everybody; none when Apache listens on the loopback address only"""


class Web(Part):
    """mod_wsgi's daemon processes; times in seconds."""

    processes: int
    threads: int
    hosts: int
    request_timeout: int
    queue_timeout: int
    """for a free thread (pgstack.serving.wait_limit)"""
    body_timeout: int
    """mod_wsgi's queue-timeout, which counts from a request's first line: the body comes in
    meanwhile"""
    socket_timeout: int
    deadlock_timeout: int
    watchdog_timeout: int
    """of one request; its process ends then (pgstack.serving.watchdog)"""
    patience: int
    """for a database that is coming back (pgstack.db)"""
    graceful_timeout: int
    shutdown_timeout: int
    listen_backlog: int
    memory_per_process: int
    """bytes"""
    settings: str
    """what DJANGO_SETTINGS_MODULE names"""
    wsgi: str
    """path of the WSGI file"""
    python_path: tuple[str, ...]
    """directories that modules are imported from, beside those of `paths.venv`"""

    @property
    def requests(self) -> int:
        """Requests that one web host works on at a time."""
        return self.processes * self.threads


class Project(Part):
    """A Django project that is not the demo. `pgstack.overlay` puts the plan into its settings."""

    settings: str
    """its own settings module"""
    wsgi: str
    """module of its WSGI application; empty: what its settings name"""
    requirements: str
    """file below `paths.app`; empty: none"""
    environment: str
    """file of variables that its processes find in their environment; empty: none"""
    data: tuple[str, ...]
    """variables in which it finds directories that its pages may write into"""
    commands: tuple[tuple[str, ...], ...]
    """its management commands after migrate; on a host the release has them"""
    build: tuple[tuple[str, ...], ...]
    """its commands before it serves; on a host stackctl is told"""


class Packages(Part):
    """Debian packages that the inputs ask for, beside those of the servers."""

    web: tuple[str, ...]
    """where the project's code runs: its own, and libraries that go with extensions"""
    postgres: tuple[str, ...]
    """where PostgreSQL runs"""


class Apache(Part):
    """Apache's event MPM; times in seconds."""

    threads_per_child: int
    server_limit: int
    start_servers: int
    max_request_workers: int
    min_spare_threads: int
    max_spare_threads: int
    slow_clients: int
    """clients that send a header slowly, or nothing: a child has a worker for each, beside those of
    requests at work"""
    http2_workers: int
    """of a child, at its start: those of requests at work; there may be as many as threads"""
    listen_backlog: int
    file_descriptors: int
    """of one child"""
    tasks: int
    """threads of all its processes, the daemons' too"""
    instances: int
    """as many as this one that may run at a time where it runs"""
    timeout: int
    keep_alive_timeout: int
    graceful_shutdown_timeout: int
    streams: int
    """bodies that are handed on to the daemons as they come in, at a time"""
    modules_directory: str
    mime_types: str


class Pooler(Part):
    """PgBouncer. `settings` are the lines of pgbouncer.ini, and what SHOW CONFIG must answer."""

    port: int
    web_login: str
    monitor_login: str
    peer_maps: bool
    identities: tuple[Identity, ...]
    task_identities: tuple[Identity, ...]
    """of the workers' database; none without workers"""
    max_client_conn: int
    default_pool_size: int
    reserve_pool_size: int
    max_db_connections: int
    instances: int
    """PgBouncers that hold backends at the same time: one on each web host, and one more that takes
    over"""
    query_timeout: int
    query_wait_timeout: int
    pause_timeout: int
    """whoever is held back for so long is held back by a PAUSE that somebody forgot; the local
    guard ends it"""
    file_descriptors: int
    settings: dict[str, str]


class Postgres(Part):
    """PostgreSQL. `settings` are the lines of the drop-in, and what pg_settings must answer."""

    host: str
    """where clients find it: the directory of its socket, or its host's name where that is another
    one"""
    server_name: str
    """what its certificate names, on both sides; empty on one host"""
    port: int
    database: str
    extensions: tuple[str, ...]
    """of the database, which the administrator creates"""
    locale: str
    """sort order of the database, see pgstack.planning.locales"""
    locale_options: str
    """the same in words of CREATE DATABASE"""
    identities: tuple[Identity, ...]
    web_addresses: tuple[str, ...]
    """networks that may come in over TLS with a password; none on one host"""
    passwords: tuple[Identity, ...]
    """which account of a web host has the password of which role; none on one host"""
    connection: dict[str, str]
    """what libpq is told beside place, role and database by those who go past the pooler"""
    max_connections: int
    superuser_reserved_connections: int
    direct_connections: int
    settings: dict[str, str]
    app_settings: dict[str, str]
    """of the web processes: set on their role (ALTER ROLE … SET), and by the pooler on each
    backend, for the role may change what is set on it"""
    owner_settings: dict[str, str]
    """set on the role that migrates"""
    statement_timeout: int
    """seconds"""
    closed_functions: tuple[str, ...]
    """of PostgreSQL's own: the owner may call them and hand them on, the web may not"""


class External(Part):
    """A PostgreSQL that is not the stack's."""

    login: str
    """that asks it, and makes roles if it may"""
    authority: str
    """file of who signed its certificate; PgBouncer and libpq read a copy"""
    grants: Grants | None
    """None: it was not asked yet"""


class Backup(Part):
    """pgBackRest on a host, and restic for files. `settings` are the lines of pgBackRest's
    configuration; keys and passphrase are elsewhere."""

    kind: Literal["local", "sftp", "s3"]
    stanza: str
    command: str
    """how pgBackRest is called for it"""
    path: str
    """of the repository, where it is kept"""
    state: str
    """directory of the drill: its report, and the scratch instance while it runs"""
    full: str
    """when a full backup is made, as systemd.time(7) writes it; likewise the next two"""
    incremental: str
    drill: str
    time_limit: int
    """seconds that a backup or a drill may take"""
    oldest: int
    """seconds after which a backup or a drill that has not been followed by another is late; see
    `drill_oldest`"""
    drill_oldest: int
    files: str
    """restic's name of the repository of uploads and STACK_DATA; empty where they are on other
    hosts"""
    files_options: tuple[str, ...]
    files_state: str
    """directory of what is known of them: the last drill"""
    files_days: int
    """for which a snapshot of them is kept"""
    settings: dict[str, str]


class Memory(Part):
    """Shares of memory, in bytes; their sum may not exceed `total`."""

    total: int
    system: int
    web: int
    apache: int
    pooler: int
    postgres: int
    """PostgreSQL's own processes and its shared memory beside the buffers"""
    shared_buffers: int
    backends: int
    """private memory of backends and parallel workers, without `work`"""
    work: int
    """work_mem of all of them"""
    maintenance: int
    """maintenance_work_mem, and autovacuum_work_mem of all workers"""
    workers: int
    """the project's own, with what runs at set times"""
    valkey: int
    """Valkey, also while it writes its file anew"""

    def shares(self) -> dict[str, int]:
        """The shares by name, in bytes."""
        return {name: value for name, value in self.model_dump().items() if name != "total"}


class Plan(Part):
    """One stack. Templates see it as `stack`; everything that runs reads it from plan.json."""

    target: TargetName
    part: Literal["all", "web", "database"]
    """what this host runs: everything, Apache with PgBouncer, or PostgreSQL"""
    apart: bool
    """whether the web and PostgreSQL are on hosts of their own"""
    services: tuple[str, ...]
    """what this host runs, by name (pgstack.planning.services)"""
    names: Names
    debian: int
    cores: int
    open_files: int | None
    max_threads: int | None
    """threads that there may be at a time where it runs"""
    versions: Versions
    paths: Paths
    accounts: Accounts
    roles: Roles
    site: Site
    front: Site | None
    """what the Apache in front of several sites answers for this one; None: it answers itself"""
    share: Share | None
    """None: the machine is this stack's alone"""
    firewall: Firewall
    project: Project | None
    """None: the demo"""
    packages: Packages
    web: Web
    apache: Apache
    pooler: Pooler
    postgres: Postgres
    external: External | None
    """None: PostgreSQL is the stack's own"""
    backup: Backup | None
    """None: there are none"""
    workers: tuple[Worker, ...]
    """the project's commands that run beside pages"""
    schedule: tuple[Entry, ...]
    """those that run at set times"""
    background: Background | None
    """None: there are neither"""
    valkey: Valkey | None
    """None: there is no cache and no broker"""
    memory: Memory
    arithmetic: dict[str, str]
    """how each number came about, by its dotted name"""

    @property
    def pooled_connections(self) -> int:
        """Backends that all PgBouncers together may open."""
        tasks = self.background.max_db_connections if self.background else 0
        return (self.pooler.max_db_connections + tasks) * self.pooler.instances

    @property
    def commands(self) -> tuple[Worker | Entry, ...]:
        """All of the project's that run beside pages."""
        return (*self.workers, *self.schedule)

    @property
    def takes_over(self) -> bool:
        """Whether an instance of a server is replaced by another that runs beside it meanwhile."""
        return bool(self.site.instance_ports)
