"""Look after one container group: `python -m devstack.container_groups.shim LOG` with orders on stdin.

Standard library only and started ahead of need: most of a container's start is done before its order.
"""

import json
import socket
import sys
from pathlib import Path

from devstack.container_groups.dns import parse_resolvers
from devstack.container_groups.orders import Order, Reply
from devstack.container_groups.shim import kernel
from devstack.container_groups.shim.forwarding import new_forwarding
from devstack.container_groups.shim.group import Containers
from devstack.container_groups.shim.network import (
    DNS_PORT,
    Forward,
    Network,
    NetworkPlan,
    connect_internet,
    open_network,
)
from devstack.container_groups.shim.resolver import Resolver


def main() -> None:
    """Set the network up, wait for the order, run the container to its end."""
    kernel.set_name("slipway-shim")
    kernel.become_subreaper()
    kernel.leave_mount_namespace()
    channel = socket.socket(fileno=0)
    with channel.makefile("rb") as orders:
        plan = _read_plan(orders.readline())
        network = open_network(plan)
        internet = connect_internet(network, Path(sys.argv[1]))
        line = orders.readline()
        if not line:
            return
        _serve(plan, network)
        _look_after(Containers(Order.from_json(line)), network, channel)
        internet.poll()


def _read_plan(line: bytes) -> NetworkPlan:
    members = json.loads(line)
    forwards = tuple(Forward(**forward) for forward in members["forwards"])
    return NetworkPlan(forwards=forwards, hosts=members["hosts"], resolver=members["resolver"])


def _serve(plan: NetworkPlan, network: Network) -> None:
    forwarding = new_forwarding()
    for forward, listener in network.listeners:
        forwarding.serve(forward, listener)
    resolvers = parse_resolvers(Path("/etc/resolv.conf").read_text(encoding="utf-8"))
    for resolver in resolvers[:1]:
        forwarding.serve(Forward(plan.resolver, DNS_PORT, resolver, DNS_PORT), network.dns_streams)
    upstream = tuple((resolver, DNS_PORT) for resolver in resolvers)
    Resolver(network.dns_datagrams, plan.hosts, upstream).start()


def _look_after(containers: Containers, network: Network, channel: socket.socket) -> None:
    try:
        containers.start(network.namespace)
    except OSError as error:
        _reply(channel, Reply(error=containers.failure(error).message))
    else:
        _reply(channel, Reply())
        containers.wait()
    containers.remove()


def _reply(channel: socket.socket, reply: Reply) -> None:
    """Tell the service, if it still listens: it may have been killed meanwhile."""
    try:
        channel.sendall(reply.to_json().encode() + b"\n")
    except OSError:
        return
    finally:
        channel.close()


if __name__ == "__main__":
    main()
