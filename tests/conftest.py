"""Plugins with the fixtures that need real servers."""

pytest_plugins = ["fixtures.local_stack", "fixtures.machine"]
