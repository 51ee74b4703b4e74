"""The schedule of targets without systemd: a program that supervisord keeps (`scheduler`), what it
does with one command (`process`), and what `make status` says of it (`status`)."""
