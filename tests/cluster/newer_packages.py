"""Packages as an update of Debian brings them: those that a host has, with a higher version."""

from __future__ import annotations

from systemd_host import SystemdHost

SUFFIX = "+newer1"
PUBLISH = """\
set -e
mkdir -p /srv/newer
cd /srv/newer
apt-get update -q
apt-get download -q {names}
for package in *.deb; do
    dpkg-deb --raw-extract "$package" unpacked
    sed -i '/^Version:/s/$/{suffix}/' unpacked/DEBIAN/control
    dpkg-deb --build -Zgzip -z1 unpacked "newer-$package" >&2
    rm -r unpacked "$package"
    dpkg-deb --field "newer-$package"
    echo "Filename: ./newer-$package"
    echo "Size: $(stat --format=%s "newer-$package")"
    echo "SHA256: $(sha256sum "newer-$package" | cut --delimiter=' ' --fields=1)"
    echo
done > Packages
echo 'deb [trusted=yes] file:/srv/newer ./' > /etc/apt/sources.list.d/newer.list
"""


def publish(host: SystemdHost, names: tuple[str, ...]) -> None:
    """Have the host's next upgrade bring these, each as a version that is not there yet."""
    host.run("bash", "-c", PUBLISH.format(names=" ".join(names), suffix=SUFFIX))


def installed(host: SystemdHost, names: tuple[str, ...]) -> bool:
    """Whether it has all of these as they were published."""
    shown = host.run("dpkg-query", "--show", "--showformat=${Version}\n", *names).stdout
    return all(version.endswith(SUFFIX) for version in shown.split())
