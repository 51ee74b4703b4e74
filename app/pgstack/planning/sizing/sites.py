"""Several sites on one host: what each gets of it, and what the Apache in front of them answers."""

from __future__ import annotations

from dataclasses import replace

from pgstack.errors import UnsoundPlan
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.places import Share
from pgstack.planning.sizing.scale import MB, MEMORY_STEP

FRONT_BYTES = 96 * MB
"""of the front Apache while a second instance takes over: 9 MB for each while it waits, and threads
and buffers of TLS for those who are connected"""
FRONT_PORTS = {"a": 8439, "b": 8440}
"""loopback ports at which its instances answer by themselves"""
SITE_PORTS = 8500
"""The first site listens here on the loopback address, the next at the next port; ports of their
instances follow those of a host with one site likewise."""
INSTANCES = 2


def share(config: StackConfig, machine: Hardware) -> tuple[Hardware, Share | None]:
    """What this site gets of the machine: its weight's part of memory and of cores, at least one.

    Memory counts in steps, rounded down, so what the sites get is never more than there is.
    """
    if not config.sites or machine.cores is None or machine.memory is None:
        return machine, None
    front = FRONT_BYTES if has_front(config) else 0
    weight, total = config.sites[config.name], sum(config.sites.values())
    memory = (machine.memory - front) * weight // total // MEMORY_STEP * MEMORY_STEP
    cores = max(1, machine.cores * weight // total)
    whole = Share(sites=config.sites, cores=machine.cores, memory=machine.memory, front=front)
    return replace(machine, cores=cores, memory=memory), whole


def has_front(config: StackConfig) -> bool:
    """Whether another Apache answers for this site and its neighbours."""
    return len(config.sites) > 1


def behind_front(config: StackConfig) -> StackConfig:
    """The inputs of a site as its own Apache takes them: the front ends TLS and is the one proxy
    that is believed."""
    if not has_front(config):
        return config
    own = {
        "address": "127.0.0.1",
        "port": SITE_PORTS + position(config),
        "tls": "off",
        "tls_certificate": None,
        "tls_key": None,
        "proxy": "on",
        "proxy_addresses": ("127.0.0.1/32",),
    }
    return config.model_copy(update=own)


def position(config: StackConfig) -> int:
    """Of the site among those of its host; 0 where it is the only one."""
    return list(config.sites).index(config.name) if config.sites else 0


def share_too_small(config: StackConfig, of: Share, error: UnsoundPlan) -> UnsoundPlan:
    """Why a site does not fit into its share."""
    weight, total = config.sites[config.name], sum(config.sites.values())
    listed = ", ".join(f"{name}:{weight}" for name, weight in config.sites.items())
    machine, rest = of.memory // MB, (of.memory - of.front) // MB
    return UnsoundPlan(
        f"STACK_SITES={listed}: {config.name} has {weight}/{total} of {rest} MB (of {machine} MB, "
        f"without {of.front // MB} MB of the Apache in front), which is too little: "
        f"{str(error).partition(' Raise ')[0]} Give it a larger weight, the host more "
        "memory, or another host to one of them."
    )
