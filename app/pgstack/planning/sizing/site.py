"""The site as Apache serves it, and what a host lets in for it."""

from __future__ import annotations

from pgstack.planning import layout, names, targets
from pgstack.planning.apache import Firewall, Site
from pgstack.planning.combinations import HTTPS
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.host_services import FRONT_CONF
from pgstack.planning.places import Paths
from pgstack.planning.sizing import sites
from pgstack.planning.sizing.scale import size_text

HTTP = 80
"""port that browsers take without being told (RFC 9110): who comes to it is sent to that of TLS"""
SSH_PORT = 22
"""where administrators come in when nobody has looked (services(5))"""


def instance_ports(config: StackConfig) -> dict[str, int]:
    """Those of the target; each site of a host has ports of its own."""
    behind = sites.INSTANCES * sites.position(config)
    return {name: port + behind for name, port in targets.of(config.target).instance_ports.items()}


def front(config: StackConfig) -> Site | None:
    """The site as visitors see it, where an Apache in front of several answers."""
    if not sites.has_front(config):
        return None
    own = names.of(config.name).prefix
    return site(config, f"{FRONT_CONF}/tls/{own}", sites.FRONT_PORTS)


def site(config: StackConfig, tls: str, instance_ports: dict[str, int]) -> Site:
    """What is served, with copies of certificate and key below `tls`."""
    given = [
        str(layout.CHECKOUT / path) if path else ""
        for path in (config.tls_certificate, config.tls_key)
    ]
    copies = [f"{tls}/certificate.pem", f"{tls}/key.pem"]
    certificate, key = given if config.tls == "off" else copies
    return Site(
        address=config.address,
        port=config.port,
        hosts=config.hosts,
        tls=config.tls,
        tls_certificate=certificate,
        tls_key=key,
        tls_given_certificate=given[0],
        tls_given_key=given[1],
        instance_ports=instance_ports,
        redirect_port=HTTP if _redirects(config) else 0,
        acme_directory=config.acme_directory if config.tls == "acme" else "",
        acme_email=config.acme_email or "" if config.tls == "acme" else "",
        hsts=config.hsts,
        proxy=config.proxy == "on",
        proxy_addresses=config.proxy_addresses,
        access_log=config.access_log,
        upload_limit=config.upload_limit,
        upload_limit_text=size_text(config.upload_limit),
    )


def _redirects(config: StackConfig) -> bool:
    return targets.of(config.target).redirects and config.tls != "off" and config.port == HTTPS


def _serves(config: StackConfig) -> bool:
    """Whether visitors come to this host, or balancers for them."""
    return bool({"apache", "haproxy"} & {*config.part.services})


def firewall(config: StackConfig, hardware: Hardware, paths: Paths) -> Firewall:
    """The host's packet filter: the ports that it lets in."""
    local = config.address.startswith("127.") or config.address == "[::1]"
    ports = (config.port, HTTP) if _redirects(config) else (config.port,)
    return Firewall(
        enabled=targets.of(config.target).firewall and config.firewall == "on",
        unit=f"{'sites' if sites.has_front(config) else 'stack'}-firewall.service",
        rules=f"{FRONT_CONF if sites.has_front(config) else paths.conf}/nftables.conf",
        ssh_ports=hardware.ssh_ports or (SSH_PORT,),
        site_ports=ports if not local and _serves(config) else (),
        site_sources=tuple(config.balancers.values()) if config.balancer is None else (),
        vrrp=next(
            (place for name, place in config.balancers.items() if name != config.balancer), ""
        )
        if config.balancer
        else "",
    )
