"""Plugins with the fixtures that need real servers, and an environment that does not depend on who
runs the tests."""

import os
import signal

pytest_plugins = [
    "fixtures.browser",
    "fixtures.documentation",
    "fixtures.local_stack",
    "fixtures.machine",
    "fixtures.not_run",
    "fixtures.pooled",
    "fixtures.third_worker",
    "fixtures.external_server",
]

# `make test` hands its options on, and a `make` that a test starts would print what it does with
# them.
for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(name, None)

# A shell starts what runs in its background with these ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
