"""What an external PostgreSQL needs of other inputs, and what does not go with it."""

from __future__ import annotations

from pgstack.planning import targets
from pgstack.planning.database_url import MODES
from pgstack.planning.input_names import EXTERNAL, environment_name
from pgstack.planning.inputs import Inputs


def require(inputs: Inputs) -> None:
    """Raise ValueError unless the inputs of an external PostgreSQL go together."""
    url = EXTERNAL
    if inputs.database_url is None:
        _require_url(inputs, url)
        return
    if inputs.database_host:
        raise ValueError(f"{url} and STACK_DATABASE_HOST name two databases. Leave one of them out")
    if inputs.database_password_file is None:
        raise ValueError(f"{url} needs STACK_DATABASE_PASSWORD_FILE")
    if targets.of(inputs.target).image:
        _require_of_containers(inputs, url)
    if inputs.database_url.sslmode != MODES[0]:
        raise ValueError(
            f"{url} needs sslmode={MODES[0]}: PgBouncer would give its password to anybody who "
            "answers"
        )
    _refuse_what_it_lacks(inputs, url)


def _refuse_what_it_lacks(inputs: Inputs, url: str) -> None:
    if "locale" in inputs.model_fields_set:
        raise ValueError(
            f"STACK_LOCALE needs the stack's own PostgreSQL: the database of {url} is "
            "there already, and sorts as it was made"
        )
    if "wal_level" in inputs.model_fields_set:
        raise ValueError(
            f"STACK_WAL_LEVEL needs the stack's own PostgreSQL: the settings of that of {url} are "
            "its administrator's"
        )


def _require_url(inputs: Inputs, url: str) -> None:
    for name in ("database_password_file", "database_authority"):
        if getattr(inputs, name):
            raise ValueError(f"{environment_name(name)} needs {url}")


def _require_of_containers(inputs: Inputs, url: str) -> None:
    if inputs.database_authority is None:
        raise ValueError(
            f"{url} needs STACK_DATABASE_AUTHORITY in containers: they do not see this "
            "machine's files. Debian's authorities: /etc/ssl/certs/ca-certificates.crt"
        )
    if inputs.egress:
        raise ValueError(
            f"{url} needs STACK_EGRESS unset: commands of `manage` go past PgBouncer to that "
            "server, and a closed network leads nowhere"
        )
