#!/bin/sh
# The other tools run with Debian's Python; a minimal machine has none.
set -eu
if [ -x /usr/bin/python3 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "bootstrap: python3 is missing. As root, in this directory: make packages" >&2
    exit 2
fi
quietly() {
    output=$("$@" 2>&1) || {
        printf '%s\n' "bootstrap: $* failed:" "$output" >&2
        exit 2
    }
}
echo "packages  installing python3"
export DEBIAN_FRONTEND=noninteractive
quietly apt-get update -qq
quietly apt-get install -qq -y --no-install-recommends python3
