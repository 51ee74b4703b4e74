"""What balancers in front of web hosts are planned with: HAProxy, and keepalived with the address
that visitors come to."""

from __future__ import annotations

from pgstack.planning.part import Part


class Balancing(Part):
    """Two balancers and the web hosts behind them; times in seconds."""

    address: str
    """that visitors come to: of whichever balancer lives"""
    members: dict[str, str]
    """address of each balancer by its name"""
    member: str
    """which of them this host is; empty on a web host"""
    servers: dict[str, str]
    """address of each web host by its name; none on a web host"""
    run: str
    """directory of HAProxy's sockets"""
    router: int
    """number of the address in VRRP"""
    connections: int
    """at a time"""
    connect: float
    """until a web host has accepted a connection; another one is tried then"""
    inter: float
    """between two looks at a web host"""
    fall: int
    """looks that fail until a web host counts as lost, and `rise` that pass until it is back"""
    rise: int
    check: int
    """that a web host has for the answer to a look"""
    probe: int
    """without a byte, after which the kernel of a web host is asked whether it lives, and between
    two such questions; `probes` without an answer end the connection"""
    probes: int
    idle: int
    """without a byte, after which a connection is closed that Apache has left open"""
    advert: float
    """between two signs of life of the balancer that has the address"""
    stick: int
    """for which a visitor stays on a web host while web hosts serve different releases"""

    @property
    def own(self) -> str:
        """Address of this host."""
        return self.members[self.member]

    @property
    def other(self) -> str:
        """Address of the other balancer."""
        return next(place for name, place in self.members.items() if name != self.member)

    @property
    def priority(self) -> int:
        """Of this host in VRRP: when both begin at once, the first has the address."""
        return 101 if self.member == next(iter(self.members)) else 100

    @property
    def lost_server(self) -> float:
        """Seconds until a web host that is gone gets no connection any more."""
        return self.inter + self.fall * (self.inter + min(self.connect, self.inter))

    @property
    def silent(self) -> int:
        """Seconds after which a connection ends whose web host's kernel is silent."""
        return self.probe * (1 + self.probes)

    @property
    def lost_answering(self) -> float:
        """Seconds until a web host that is gone while it owes the answer to a look gets no
        connection any more."""
        return self.silent + (self.fall - 1) * (self.inter + min(self.connect, self.inter))

    @property
    def lost_balancer(self) -> float:
        """Seconds until the other balancer has the address of one that is gone (RFC 5798: three
        advertisements and the skew of a priority of 100)."""
        return self.advert * (3 + (256 - 100) / 256)
