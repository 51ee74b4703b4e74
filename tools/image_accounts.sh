#!/bin/sh
# Accounts with the same numbers in every image: peer authentication compares user ids across
# containers, and the members of `sockets` reach each other's sockets through shared volumes.
set -eu
groupadd --gid 5000 sockets
account() {
    useradd --uid "$1" --user-group --groups sockets --no-create-home --home-dir "$3" --shell /usr/sbin/nologin "$2"
}
account 5001 postgres /var/lib/postgresql
account 5002 pooler /nonexistent
account 5003 app /srv/stack
account 5004 deploy /srv/stack
account 5007 worker /srv/stack
account 5008 valkey /nonexistent
account 5009 metrics /nonexistent
account 5010 observer /nonexistent
