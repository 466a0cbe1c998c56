"""A runtime whose instances are lines in a file on each host, so that a fleet can be operated without an engine.

What is real: everything that the kernel does with it, and every command, which runs as a process in the host's folder.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import attrs
from stagecraft_hookspecs import hookimpl
from stagecraft_hookspecs.errors import NotFound, ProviderError, UserError
from stagecraft_hookspecs.runtime import Draft, Instance, Leftover, Order, Policy, Prepared, Renderer, Runtime
from stagecraft_hookspecs.values import Command, File, Operation, Phase

LOGS = str(Path(__file__).with_name("paper_logs.py"))


class PaperRenderer(Renderer):
    def render(self, deployment):
        files = {}
        for host in deployment.hosts:
            units = {s.name: {"command": s.definition.get("command")} for s in deployment.on(host.name)}
            files[host.name] = {"units.json": File(json.dumps(units, sort_keys=True).encode())}
        builds = tuple(
            Operation(f"build:{s.name}", Phase.BUILD, "paper.print", "paper", (s.name,), inputs={"text": _text(s)})
            for s in deployment.services
        )
        return Draft(files, {s.name: Policy(Order.STOP_FIRST, "paper") for s in deployment.services}, builds)

    def logs(self, view, query):
        pairs = [f"{i.service}={i.id}" for i in view.instances if i.active and i.service in query.services]
        flags = ["--follow"] if query.follow else []
        flags += ["--timestamps"] if query.timestamps else []
        return Command((sys.executable, LOGS, f"{query.since}", f"{query.tail}", *flags, *pairs), cwd=view.home)

    def execute(self, view, request):
        if request.oneoff:
            return Command(("env", f"ONEOFF={view.release_id}", *request.argv), cwd=view.home)
        found = [i for i in view.instances if i.service == request.service and i.state == "running"]
        if not found:
            raise UserError(f"{request.service} does not run on {view.host.name}", hint="see `stagecraft status`")
        flags = (f"TTY={request.interactive}", f"STDIN={request.stdin}")
        return Command(("env", f"INSTANCE={found[0].id}", *flags, *request.argv), cwd=view.home)


class Paper(Runtime):
    """Keep instances on paper."""

    name = "paper"
    images = False
    Renderer = PaperRenderer

    def prepare(self, ctx, target):
        self.ship(ctx, target)
        return Prepared(changed=tuple(s.name for s in target.deployment.on(target.host.name)))

    def switch(self, ctx, target):
        release = target.deployment.release_id
        old = {i.service: i for i in self.observe(ctx, target.host)}
        found = []
        for service in target.deployment.on(target.host.name):
            command = _text(service)
            kept = old.get(service.name)
            if kept is None or kept.image != command:
                kept = Instance(
                    service.name, target.host.name, f"{service.name}-{release}", "running", "healthy", release,
                    image=command, since="2026-01-02T03:04:05Z",
                )  # fmt: skip
            found.append(kept)
        self._save(ctx, target.host, found)

    def undo(self, ctx, target):
        pass

    def retire(self, ctx, target):
        if (ctx.root / "fail-retire").exists():
            raise ProviderError("the test wants it to fail")

    def observe(self, ctx, host):
        try:
            listed = json.loads(ctx.machine(host).read(f"{ctx.home(host)}/instances.json"))
        except NotFound:
            return ()
        return tuple(Instance(**{**i, "ports": tuple(i["ports"])}) for i in listed)

    def changed(self, ctx, target):
        folder = f"{ctx.home(target.host)}/{target.deployment.release_id}"
        return tuple(p for p, f in target.files.items() if ctx.machine(target.host).read(f"{folder}/{p}") != f.data)

    def prune(self, ctx, host, keep, *, dry_run=False):
        home = ctx.home(host)
        listed = ctx.machine(host).run(Command(("ls", home))).stdout.split()
        gone = [name for name in listed if name.startswith("rel-") and name not in keep]
        for name in () if dry_run else gone:
            ctx.machine(host).remove(f"{home}/{name}")
        return tuple(Leftover("release", name, 1 << 20) for name in gone)

    def _save(self, ctx, host, instances):
        data = json.dumps([attrs.asdict(i) for i in instances]).encode()
        ctx.machine(host).write(f"{ctx.home(host)}/instances.json", data)


def _text(service):
    return json.dumps(service.definition.get("command"))


def _print(operation, ctx):
    digest = hashlib.sha256(operation.inputs["text"].encode()).hexdigest()
    return {"service": operation.services[0], "digest": f"sha256:{digest}"}


@hookimpl
def stagecraft_build(phase, ctx):
    return {"paper.print": _print}


@hookimpl
def stagecraft_runtime():
    return Paper
