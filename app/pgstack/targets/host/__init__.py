"""A Debian host, as the machine sees it that Ansible runs on: what a play asks about a stack."""
