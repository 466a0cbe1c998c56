"""Compare what the release that serves wants with what there is on the hosts; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.runtime import Target

from stagecraft.run.assemble import KEY, bundle_runtime, fingerprints
from stagecraft.run.fleet import Failure, each
from stagecraft.run.operating import well
from stagecraft.run.selection import Selection, choose
from stagecraft.run.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stagecraft_hookspecs.runtime import Instance, Runtime, Service
    from stagecraft_hookspecs.values import File, Host, Release

    from stagecraft.context import RunContext
    from stagecraft.project import Project


@attrs.frozen(order=True)
class Difference:
    """Say in what a host differs from the release.

    Attributes:
        kind: ``missing``, ``stopped``, ``unhealthy``, ``extra``, ``release``, ``image``, ``file`` or ``route``.
        what: The service; of a file its path, of a route its id.
        wanted, found: What the release says, and what there is.
    """

    host: str
    kind: str
    what: str
    wanted: str = ""
    found: str = ""


@attrs.frozen
class Drift:
    """Hold what was found.

    Attributes:
        partial: What could not be compared, besides the hosts that failed.
        busy: Why differences may be another run's work.
    """

    environment: str
    release: Release
    differences: tuple[Difference, ...]
    hosts: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    busy: str = ""


def find_drift(
    project: Project,
    ctx: RunContext,
    hosts: Sequence[str] = (),
    services: Sequence[str] = (),
    roles: Sequence[str] = (),
) -> Drift:
    """Return where hosts differ from the release that serves.

    Raises:
        UserError: Nothing was deployed yet; NotFound for an unknown service, host or role.
        ProviderError: No host could be asked.
    """
    choose(project, hosts, services, roles)
    serving = Serving(project, ctx)
    chosen = choose(project, hosts, services, roles, serving=serving.bundle.deployment.hosts)
    runtime = bundle_runtime(project, serving.bundle)
    compare = Comparison(project, ctx, serving, runtime, chosen, _comparable(project, ctx, serving))
    gathered = each(ctx, chosen.hosts, lambda host: tuple(compare.on(host))).unless_all_failed()
    found = tuple(sorted(d for differences in gathered.found.values() for d in differences))
    with project.blamed():
        holder = project.state.holder(ctx)
    busy = f"{holder.who} changes it right now ({holder.command})" if holder else ""
    if not busy and serving.history.unfinished:
        busy = f"{serving.history.unfinished.id} did not end: {serving.next_step}"
    return Drift(ctx.environment, serving.release, found, chosen.names, gathered.failures, busy)


@attrs.frozen
class Comparison:
    """Compare hosts with one release.

    Attributes:
        secrets: Whether files with secrets can be compared: what the secrets are here is what they were then.
    """

    project: Project
    ctx: RunContext
    serving: Serving
    runtime: Runtime
    chosen: Selection
    secrets: bool

    def on(self, host: Host) -> Iterator[Difference]:
        """Yield the differences of a host."""
        with self.project.blamed():
            instances = self.runtime.observe(self.ctx, host)
        for service in self.serving.bundle.deployment.services:
            if self.chosen.wants(service.name):
                mine = [i for i in instances if i.service == service.name]
                yield from self._instances(host, service, mine)
        known = {s.name for s in self.serving.bundle.deployment.services}
        for i in instances:
            if i.service not in known and i.state == "running" and self.chosen.wants(i.service):
                yield Difference(host.name, "extra", i.service, "none", i.id[:12])
        if not self.chosen.services:
            yield from self._files(host)
        yield from self._routes(host)

    def _instances(self, host: Host, service: Service, instances: Sequence[Instance]) -> Iterator[Difference]:
        count = service.replicas if host.name in service.hosts else 0
        active = [i for i in instances if i.active and i.state != "missing"]
        for i in active[:count]:
            if i.health == "unhealthy":
                yield Difference(host.name, "unhealthy", service.name, "healthy", i.id[:12])
            elif not well(i):
                yield Difference(host.name, "stopped", service.name, "running", f"{i.id[:12]} is {i.state}")
            if not self.serving.same(service.name, i.release_id, self.serving.release.id):
                yield Difference(host.name, "release", service.name, self.serving.release.id, i.release_id)
            wanted = service.image.digest if service.image else ""
            if wanted and "sha256:" in i.image and wanted not in i.image:
                yield Difference(host.name, "image", service.name, wanted, i.image)
        if len(active) < count:
            yield Difference(host.name, "missing", service.name, str(count), str(len(active)))
        strangers = [i for i in instances if not i.active and i.state == "running"] + active[count:]
        for i in strangers:
            yield Difference(host.name, "extra", service.name, "none", i.id[:12])

    def _files(self, host: Host) -> Iterator[Difference]:
        bundle = self.serving.bundle
        files: Mapping[str, File] = bundle.files.get(host.name, {})
        deployment = attrs.evolve(
            bundle.deployment,
            release_id=self.serving.release.id,
            folder=self.project.folder,
            root=str(self.project.config.root.absolute()),
        )
        compared = {path: file for path, file in files.items() if self.secrets or not file.secret}
        with self.project.blamed():
            changed = self.runtime.changed(self.ctx, Target(host, deployment, compared, bundle.policies))
        for path in changed:
            yield Difference(host.name, "file", path, "as it was shipped", "changed or missing")

    def _routes(self, host: Host) -> Iterator[Difference]:
        routes = [r for r in self.serving.bundle.deployment.routes_on(host.name) if self.chosen.wants(r.service)]
        if not routes or not self.project.has("proxy"):
            return
        with self.project.blamed():
            instances = self.runtime.instances(self.ctx, host, self.serving.release.id)
            serving = self.project.provider("proxy").serving(self.ctx, host)
        for route in routes:
            mine = [i for i in instances if i.service == route.service and well(i) and i.address]
            wanted = set() if route.redirect else {f"{i.address}:{route.port}" for i in mine}
            if wanted != (found := set(serving.get(route.id, ()))):
                yield Difference(host.name, "route", route.id, ", ".join(sorted(wanted)), ", ".join(sorted(found)))


def _comparable(project: Project, ctx: RunContext, serving: Serving) -> bool:
    """Tell whether every secret is here what it was when the release was made; a machine without the key cannot tell."""
    if not serving.bundle.fingerprints:
        return True
    if not (ctx.root / KEY).exists():
        return False
    try:
        return fingerprints(project, ctx) == dict(serving.bundle.fingerprints)
    except StagecraftError:
        return False
