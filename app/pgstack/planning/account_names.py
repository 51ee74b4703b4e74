"""Names of accounts: identity goes by names."""

from __future__ import annotations

import pwd

from pgstack.errors import InputError


def account_name(uid: int) -> str:
    """Name of an account. Raises InputError when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise InputError(
            f"user {uid}: has no name on this machine. Start the stack as a user that has one."
        ) from None
