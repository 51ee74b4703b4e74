"""What inputs mean together where balancers are in front of the web hosts."""

from __future__ import annotations

from pgstack.planning import targets
from pgstack.planning.input_names import environment_name
from pgstack.planning.inputs import Inputs

OF_BALANCERS = ("balancer_address", "balancer", "web_servers")


def require(inputs: Inputs) -> None:
    """Raise ValueError unless what is said of balancers goes together with the rest."""
    if not inputs.balancers:
        if given := [name for name in OF_BALANCERS if getattr(inputs, name)]:
            raise ValueError(f"{environment_name(given[0])} needs STACK_BALANCERS")
        return
    if not targets.of(inputs.target).apart:
        raise ValueError("STACK_BALANCERS: balancers are set up by Ansible only")
    if inputs.balancer_address is None:
        raise ValueError(
            "STACK_BALANCERS needs STACK_BALANCER_ADDRESS, which one of them has at a time: a free "
            "address in their network, that the site's names lead to"
        )
    _behind_balancers(inputs)


def _behind_balancers(inputs: Inputs) -> None:
    """Balancers hand on connections, with TLS in them as it is."""
    if inputs.tls == "acme":
        raise ValueError(
            "STACK_TLS=acme asks for a certificate on one web host, and the authority's question "
            "may come to another. Behind balancers use files or self-signed"
        )
    if inputs.proxy == "on" or inputs.proxy_addresses:
        raise ValueError(
            "STACK_PROXY and STACK_PROXY_ADDRESSES do not go with STACK_BALANCERS, which tell who "
            "the visitor is and leave TLS to the web hosts. Leave them out"
        )
    if inputs.address != "*":
        raise ValueError(
            f"STACK_ADDRESS={inputs.address}: each web host listens on its own address for the "
            "balancers, and these on STACK_BALANCER_ADDRESS too: set *"
        )
