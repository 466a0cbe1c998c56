"""Join the hosts and the machine by a bridge of the testbed's own, in a network that nothing else uses."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from . import state, tools
from .layout import Layout, TestbedError
from .network import ROUTES, routes, run_ip, run_iptables

FIRST, LAST = 151, 200
MOST = 240
"""Highest number of a host; its address ends in 10 more."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The bridge, named after the testbed's folder, and its network 10.`octet`.0.0/24."""

    bridge: str
    octet: int

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(f"10.{self.octet}.0.0/24")

    @property
    def machine(self) -> str:
        """The machine's address, as the hosts see it."""
        return f"10.{self.octet}.0.1"

    @property
    def rule(self) -> tuple[str, ...]:
        """Lets frames between hosts pass where an engine on the machine filters bridged traffic."""
        return (
            "FORWARD",
            "-i",
            self.bridge,
            "-o",
            self.bridge,
            *("-m", "comment", "--comment", self.bridge),
            "-j",
            "ACCEPT",
        )

    def address(self, number: int) -> str:
        return f"10.{self.octet}.0.{10 + number}"

    def hardware(self, number: int) -> str:
        """A fixed one: after a reboot the neighbours' tables are still right."""
        return f"02:5c:0a:{self.octet:02x}:00:{10 + number:02x}"

    def link(self, number: int) -> str:
        """The machine's end of a host's cable."""
        return f"{self.bridge}n{number}"


def bridge_name(layout: Layout) -> str:
    """Return the name of the testbed's bridge: another one for each folder, so that several run side by side."""
    return "sch" + hashlib.sha256(str(layout.root).encode()).hexdigest()[:6]


def choose(table: str, bridge: str) -> Switch:
    """Return the first free network in `table` (/proc/net/route), looking from a place that depends on the bridge."""
    taken = routes(table)
    count = LAST - FIRST + 1
    start = int(bridge.removeprefix("sch"), 16) % count
    for step in range(count):
        switch = Switch(bridge, FIRST + (start + step) % count)
        if not any(switch.network.overlaps(route) for route in taken):
            return switch
    raise TestbedError("no free network between 10.151.0.0/24 and 10.200.0.0/24", "take another testbed down first")


def current(layout: Layout) -> Switch | None:
    """Return the switch that is up, or None."""
    part = state.load(layout).get("switch")
    name = bridge_name(layout)
    if part is None or not state.running(part) or not Path(f"/sys/class/net/{name}").exists():
        return None
    return Switch(name, int(part.notes["octet"]))


def ensure(layout: Layout, parts: dict[str, state.Part]) -> Switch:
    """Return the switch, made if it is not there; recorded before anything changes."""
    if switch := current(layout):
        return switch
    tools.provide(layout, ("ip", "iptables"), layout.sbin)
    remove(layout)
    switch = choose(ROUTES.read_text(), bridge_name(layout))
    parts["switch"] = state.Part(None, {}, {"octet": str(switch.octet), "boot": state.this_boot()})
    state.save(layout, parts)
    lines = (
        f"link add {switch.bridge} address {switch.hardware(-9)} type bridge",
        f"addr add {switch.machine}/24 dev {switch.bridge}",
        f"link set {switch.bridge} up",
    )
    run_ip(layout, "-batch", "-", script="\n".join(lines) + "\n")
    run_iptables(layout, "-I", *switch.rule)
    return switch


def plug(layout: Layout, switch: Switch, sockets: dict[int, int]) -> None:
    """Give each host, by number and id of a process in its network namespace, a cable to the switch."""
    lines = []
    for number, pid in sorted(sockets.items()):
        link, hardware = switch.link(number), switch.hardware(number)
        lines += [
            f"link add {link} type veth peer name eth0 address {hardware} netns {pid}",
            f"link set {link} master {switch.bridge} up",
        ]
    run_ip(layout, "-batch", "-", script="\n".join(lines) + "\n")


def unplug(layout: Layout, number: int) -> None:
    """Take a host's cable away; the kernel would do so too, a little after the host's last process has ended."""
    link = f"{bridge_name(layout)}n{number}"
    if Path(f"/sys/class/net/{link}").exists():
        with suppress(TestbedError):  # gone meanwhile
            run_ip(layout, "link", "del", link)


def remove(layout: Layout) -> None:
    """Take the bridge, its rule and what is still plugged in away."""
    name = bridge_name(layout)
    if not (layout.sbin.exists() or Path(f"/sys/class/net/{name}").exists()):
        return
    while run_iptables(layout, "-D", *Switch(name, FIRST).rule, check=False):
        pass
    for folder in Path("/sys/class/net").glob(f"{name}*"):
        if folder.exists():  # one end of a cable takes the other with it
            run_ip(layout, "link", "del", folder.name)
