"""Give the engine a bridge and three firewall rules of its own, and take exactly those away again.

The engine is run without managing the firewall: an engine that does sets the FORWARD policy to DROP and
rebuilds shared chains at every start, which would disturb the machine and any other engine on it. Ports are
published by its proxy processes; outbound traffic needs only the rules here, each marked with the bridge's name.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from .layout import Layout, TestbedError
from .tools import path_of, server_environment

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
ROUTES = Path("/proc/net/route")


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses of one testbed: 10.`octet`.0.0/16."""

    octet: int

    @property
    def whole(self) -> IPv4Network:
        return IPv4Network(f"10.{self.octet}.0.0/16")

    @property
    def bridge(self) -> str:
        return f"sctb{self.octet}"

    @property
    def bridge_address(self) -> str:
        """Address of the default bridge; its containers get the rest of that /24."""
        return f"10.{self.octet}.0.1/24"

    @property
    def pool(self) -> str:
        """Where compose networks come from: 512 networks of 62 addresses."""
        return f"base=10.{self.octet}.128.0/17,size=26"

    @property
    def rules(self) -> tuple[tuple[str, ...], ...]:
        """Firewall rules as (table, chain, match and target...)."""
        mark = ("-m", "comment", "--comment", self.bridge)
        net = str(self.whole)
        return (
            ("filter", "FORWARD", "-s", net, *mark, "-j", "ACCEPT"),
            ("filter", "FORWARD", "-d", net, *mark, "-j", "ACCEPT"),
            ("nat", "POSTROUTING", "-s", net, "!", "-d", net, *mark, "-j", "MASQUERADE"),
        )


def routes(table: str) -> list[IPv4Network]:
    """Return the destinations in the text of /proc/net/route, default routes left out."""
    found = []
    for line in table.splitlines()[1:]:
        destination, mask = (socket.inet_ntoa(struct.pack("=I", int(line.split()[at], 16))) for at in (1, 7))
        if mask != "0.0.0.0":
            found.append(IPv4Network(f"{destination}/{mask}"))
    return found


def choose(table: str) -> Network:
    """Return the first network from 10.201.0.0/16 on that no route in `table` (/proc/net/route) leads into."""
    taken = routes(table)
    for octet in range(201, 251):
        network = Network(octet)
        if not any(network.whole.overlaps(route) for route in taken):
            return network
    raise TestbedError("no free network between 10.201.0.0/16 and 10.250.0.0/16", "take another testbed down first")


def create(layout: Layout, network: Network) -> None:
    """Make the bridge and the rules; what a killed run left of them is replaced."""
    remove(layout, network)
    run_ip(layout, "link", "add", network.bridge, "type", "bridge")
    run_ip(layout, "addr", "add", network.bridge_address, "dev", network.bridge)
    run_ip(layout, "link", "set", network.bridge, "up")
    for table, chain, *rest in network.rules:
        run_iptables(layout, "-t", table, "-I", chain, *rest)


def remove(layout: Layout, network: Network) -> None:
    """Take away the rules, and every bridge with an address in the network; nothing else."""
    for table, chain, *rest in network.rules:
        while run_iptables(layout, "-t", table, "-D", chain, *rest, check=False):
            pass
    for name in bridges(layout, network):
        run_ip(layout, "link", "del", name)


def bridges(layout: Layout, network: Network) -> list[str]:
    """Return the names of the machine's bridges that have an address in `network`, sorted."""
    listing = json.loads(run_ip(layout, "-json", "-4", "addr"))
    return sorted(
        link["ifname"]
        for link in listing
        if Path(f"/sys/class/net/{link['ifname']}/bridge").exists()
        and any(IPv4Address(address["local"]) in network.whole for address in link["addr_info"])
    )


def restore_forwarding(before: str) -> None:
    """Set IP forwarding back to what it was, unless another bridge (another engine's) may rely on it."""
    if before == "0" and not any(Path("/sys/class/net").glob("*/bridge")):
        FORWARDING.write_text("0")


def run_ip(layout: Layout, *arguments: str, script: str = "") -> str:
    """Run `ip`, with `script` as its input for `-batch -`; return what it prints."""
    command = [path_of(layout, "ip"), *arguments]
    environment = dict(server_environment(layout))
    done = subprocess.run(command, env=environment, input=script, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestbedError(f"ip {' '.join(arguments)} failed: {done.stderr.strip()}", "the testbed needs root")
    return done.stdout


def run_iptables(layout: Layout, *arguments: str, check: bool = True) -> bool:
    """Run `iptables`; return whether it succeeded, or raise if it had to."""
    command = [path_of(layout, "iptables"), "-w", "5", *arguments]
    done = subprocess.run(command, env=dict(server_environment(layout)), capture_output=True, text=True, check=False)
    if done.returncode and check:
        raise TestbedError(
            f"iptables failed: {done.stderr.strip()}", "the testbed needs root and a kernel with nftables"
        )
    return done.returncode == 0
