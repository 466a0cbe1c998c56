"""Draft a deployment for this runtime. Pure."""

from __future__ import annotations

import json
import sys
from typing import Any

import attrs
from stagecraft_hookspecs.runtime import (
    Deployment,
    Draft,
    Execution,
    LogQuery,
    Order,
    Policy,
    Renderer,
    Service,
    View,
)
from stagecraft_hookspecs.values import Command, File, Operation, Phase

from stagecraft_process.lints import lint
from stagecraft_process.sources import Source, find_source, relative
from stagecraft_process.units import container_ports, make_unit, mount_points

UNITS = "units.json"
SNAPSHOT = "process.snapshot"
PROVIDER = "process"


class ProcessRenderer(Renderer):
    """Draft units, policies, snapshots and findings; build the commands for logs, exec and one-off runs."""

    def render(self, deployment: Deployment) -> Draft:
        """Draft one ``units.json`` per host, a snapshot operation per service, and what cannot or may not be as expected."""
        services = tuple(relative(s, deployment.root) for s in deployment.services)
        deployment = attrs.evolve(deployment, services=services)
        sources = {s.name: find_source(s, deployment) for s in deployment.services}
        targets = {s.name: container_ports(s.definition, sources[s.name].recipe) for s in deployment.services}
        units = {s.name: make_unit(s, sources[s.name], targets) for s in deployment.services}
        files = {
            h.name: {UNITS: _file({s.name: units[s.name] for s in deployment.on(h.name)})} for h in deployment.hosts
        }
        volumes = sorted({v for unit in units.values() for v in unit["volumes"]})
        return Draft(
            files=files,
            policies={s.name: _policy(s, units[s.name]) for s in deployment.services},
            operations=tuple(_operation(s, sources[s.name]) for s in deployment.services if sources[s.name].folder),
            findings=lint(deployment, sources, units),
            volumes={v: f"volumes/{v}" for v in volumes},
        )

    def logs(self, view: View, query: LogQuery) -> Command:
        """Build the command that prints log lines."""
        ids = sorted(i.id for i in view.instances if not query.services or i.service in query.services)
        argv = [
            sys.executable,
            "-P",
            "-m",
            "stagecraft_process.logs",
            view.home,
            f"--tail={query.tail}",
            f"--since={query.since:g}",
        ]
        argv += ["--follow"] if query.follow else []
        argv += ["--timestamps"] if query.timestamps else []
        argv += [f"--pid={i}" for i in ids if i.isdigit()] if query.tail >= 0 else []
        return Command((*argv, "--", *query.services))

    def execute(self, view: View, request: Execution) -> Command:
        """Build the command that runs ``argv`` in a service's folder with its environment, read from a 0600 file."""
        head = (sys.executable, "-P", "-m", "stagecraft_process.execute", view.home, request.service)
        where = (f"--release={view.release_id}", *(("--oneoff",) if request.oneoff else ()))
        return Command((*head, *where, "--", *request.argv), timeout=request.timeout)


def _file(units: dict[str, Any]) -> File:
    data = json.dumps(units, sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"
    secret = b"<secret:" in data
    return File(data, 0o600 if secret else 0o644, secret)


def _policy(service: Service, unit: dict[str, Any]) -> Policy:
    if service.update.order is Order.STOP_FIRST:
        return Policy(Order.STOP_FIRST, "deploy.update_config.order asks for it", service.update)
    if unit["ports"]:
        reason = "the supervisor owns the published ports, so old and new run side by side"
    else:
        reason = "it publishes no port, so old and new run side by side"
    return Policy(Order.START_FIRST, reason, service.update)


def _operation(service: Service, source: Source) -> Operation:
    return Operation(
        f"build:{service.name}",
        Phase.BUILD,
        SNAPSHOT,
        PROVIDER,
        (service.name,),
        description=f"snapshot {source.folder} for {service.name}",
        inputs={
            "service": service.name,
            "context": source.folder,
            "mounts": mount_points(service.name, service.definition, source),
        },
    )
