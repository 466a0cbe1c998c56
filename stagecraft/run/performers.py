"""What the kernel itself performs: images, migrations, the runtime's steps, the soak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ConfigError, NotFound, Unhealthy
from stagecraft_hookspecs.runtime import Deployment, Draft, Execution, Order, Target, View
from stagecraft_hookspecs.values import Host, Operation, Result

from stagecraft.run.clock import check_clock
from stagecraft.run.databases import reached
from stagecraft.run.imaging import Imaging, with_digest
from stagecraft.run.metering import Metering
from stagecraft.run.routing import Former, Router

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.phases import Performer
    from stagecraft_hookspecs.proxy import Proxy
    from stagecraft_hookspecs.runtime import Runtime

    from stagecraft.project import Project
    from stagecraft.run.bundle import Bundle
    from stagecraft.run.journal import Journal


@attrs.frozen(eq=False)
class Rollout:
    """Perform the operations of one release.

    Attributes:
        project: The project as read today; a rollback needs it for secrets only.
        bundle: What is rolled out; its images are completed from the journal.
        retained, expired: Former releases to keep and to clear away.
        only: Services selected with ``--services``: nothing else is touched.
        proxy: What the release's routes go through; None without one.
        find_former: Reads what served before.
        metering: Measures the routes meanwhile.
    """

    project: Project
    runtime: Runtime
    bundle: Bundle
    journal: Journal
    release_id: str
    previous_id: str
    retained: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    no_cache: bool = False
    proxy: Proxy | None = None
    find_former: Callable[[], Former] = Former
    metering: Metering = attrs.field(factory=Metering)
    _drafts: dict[Any, tuple[Deployment, Draft]] = attrs.field(factory=dict, init=False, repr=False)

    def performers(self) -> dict[str, Performer]:
        """Return the performers by action."""
        return {
            **Imaging(self.bundle.deployment, self.journal, self.no_cache).performers(),
            "migration.apply": self.migrate,
            "service.start": self.start,
            "runtime.preflight": self.preflight,
            "proxy.ensure": self.ensure,
            "runtime.prepare": self.prepare,
            "runtime.switch": self.switch,
            "runtime.retire": self.retire,
            "rollout.soak": self.soak,
        }

    def deployment(self) -> Deployment:
        """Return the deployment with every image that is known by now."""
        images = self.journal.images
        services = tuple(
            attrs.evolve(s, image=with_digest(s.image, images[s.name])) if s.name in images else s
            for s in self.bundle.deployment.services
        )
        return attrs.evolve(
            self.bundle.deployment,
            services=services,
            release_id=self.release_id,
            folder=self.project.folder,
            root=str(self.project.config.root.absolute()),
        )

    def drafted(self) -> tuple[Deployment, Draft]:
        """Return the deployment and what the runtime makes of it, rendered once for all hosts and steps."""
        key = tuple(sorted(self.journal.images.items()))
        if key not in self._drafts:
            deployment = self.deployment()
            self._drafts[key] = (deployment, self.renderer().render(deployment))
        return self._drafts[key]

    def completed_bundle(self) -> Bundle:
        """Return the bundle with digests and the files rendered with them."""
        deployment, draft = self.drafted()
        return attrs.evolve(
            self.bundle, deployment=attrs.evolve(deployment, folder=None), files=draft.files, policies=draft.policies
        )

    def renderer(self) -> Any:
        """Return the runtime's pure half."""
        return self.runtime.Renderer(self.runtime.config)

    def target(self, host: str, only: tuple[str, ...] = ()) -> Target:
        """Return what the runtime is to make true on a host."""
        if self.journal.images:
            deployment, draft = self.drafted()
            files, policies = draft.files, draft.policies
        else:
            # a rollback: what was rendered then, whatever the project's files hold today
            deployment, files, policies = self.deployment(), self.bundle.files, self.bundle.policies
        return Target(
            self._host(host),
            deployment,
            files.get(host, {}),
            policies,
            self.previous_id,
            self.retained,
            self.expired,
            only or self.only,
        )

    def migrate(self, operation: Operation, ctx: Context) -> dict[str, Any]:
        """Apply what is pending of a database's migrations, as far as this phase may."""
        name = str(operation.inputs["database"])
        engine = self.project.engine(name)
        mine = {m["name"] for m in operation.inputs["migrations"]}
        with reached(self.project, ctx, name, make=True) as database, self.project.blamed():
            plan = engine.plan(self.project.migrations(name), engine.observe(ctx, database))
            if plan.problems:
                raise ConfigError(plan.problems)
            # the plan says which of them belong to this phase: those before the rollout, or those marked to run after it
            plan = attrs.evolve(plan, pending=tuple(m for m in plan.pending if m.name in mine))
            applied = engine.apply(ctx, database, plan) if plan.pending or plan.opaque else ()
        return {"database": name, "applied": [m.name for m in applied]}

    def start(self, operation: Operation, ctx: Context) -> dict[str, Any]:
        """Make sure that one service runs, touching nothing else."""
        name = operation.services[0]
        service = next(s for s in self.bundle.deployment.services if s.name == name)
        with self.project.blamed():
            for host in service.hosts:
                target = self.target(host, only=(name,))
                if name in self.runtime.prepare(ctx, target).changed:
                    self.runtime.switch(ctx, target)
        return {}

    def prepare(self, operation: Operation, ctx: Context) -> dict[str, Any]:
        """Prepare one host."""
        with self.project.blamed():
            prepared = self.runtime.prepare(ctx, self.target(operation.hosts[0]))
        return {"changed": sorted(prepared.changed), "unchanged": sorted(prepared.unchanged)}

    def preflight(self, operation: Operation, ctx: Context) -> None:
        """Check that a host can be reached and can take the release."""
        host = self._host(operation.hosts[0])
        check_clock(ctx, host)
        with self.project.blamed():
            self.runtime.preflight(ctx, self.target(host.name))

    def ensure(self, operation: Operation, ctx: Context) -> None:
        """Have the proxy of a host run and listen."""
        with self.project.blamed():
            self.router().ensure(ctx, self._host(operation.hosts[0]))

    def switch(self, operation: Operation, ctx: Context) -> None:
        """Make the release serve on one host."""
        target = self.target(operation.hosts[0])
        prepared = self.journal.result(f"prepare:{target.host.name}")
        changed = prepared.get("changed") or ()
        stopped = [n for n in changed if n in target.policies and target.policies[n].order is Order.STOP_FIRST]
        with self.project.blamed():
            self.router().switch(
                ctx,
                target.host,
                lambda: self.runtime.switch(ctx, target),
                stopped,
                same=bool(prepared) and not changed,
            )

    def retire(self, operation: Operation, ctx: Context) -> None:
        """Drain and stop what was replaced on one host."""
        target = self.target(operation.hosts[0])
        with self.project.blamed():
            self.router().drain(ctx, target.host)
            self.runtime.retire(ctx, target)

    def router(self) -> Router:
        """Return what moves the release's routes."""
        return Router(self.proxy, self.runtime, self.deployment(), self.release_id, self.find_former)

    def soak(self, operation: Operation, ctx: Context) -> None:
        """Watch the new release; raises Unhealthy when one of its instances is not well."""
        ends = ctx.monotonic() + float(operation.inputs["seconds"])
        while (left := ends - ctx.monotonic()) > 0:
            for host in operation.hosts:
                with self.project.blamed():
                    instances = self.runtime.observe(ctx, self._host(host))
                for instance in instances:
                    if instance.active and (instance.health == "unhealthy" or instance.state in ("restarting", "dead")):
                        raise Unhealthy(
                            f"{instance.service} on {host} became {instance.health}/{instance.state} during the soak",
                            hint=f"see `stagecraft logs --service {instance.service}`",
                        )
            if down := self.metering.down():
                raise Unhealthy(
                    f"{down[0]} stopped answering during the soak",
                    hint="see `stagecraft logs` and the proxy's log on that host",
                )
            ctx.progress(f"{left:.0f} s to go")
            ctx.sleep(min(1.0, left))

    def oneoff(self, ctx: Context, service: str, argv: tuple[str, ...], timeout: float) -> Result:
        """Run a command in a one-off instance of a service of this release, on the first host that it runs on."""
        deployment = self.deployment()
        found = next((s for s in deployment.services if s.name == service), None)
        if found is None:
            raise NotFound("service", service, [s.name for s in deployment.services])
        target = self.target(found.hosts[0], only=(service,))
        view = View(deployment.project, deployment.environment, target.host, ctx.home(target.host), self.release_id)
        with self.project.blamed():
            self.runtime.ship(ctx, target)
            command = self.renderer().execute(view, Execution(service, argv, oneoff=True, timeout=timeout))
        return ctx.machine(target.host).run(command, on_line=lambda line: ctx.log(line, service=service))

    def undo(self, ctx: Context, host: str) -> None:
        """Undo one host."""
        target = self.target(host)
        with self.project.blamed():
            self.router().undo(ctx, target.host, lambda: self.runtime.undo(ctx, target))

    def _host(self, name: str) -> Host:
        return next(h for h in self.bundle.deployment.hosts if h.name == name)
