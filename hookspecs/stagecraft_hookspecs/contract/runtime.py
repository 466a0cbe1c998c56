"""The contract suites of runtimes: the pure half and errors for all, the steps for those that have a place to run."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import CANARY, Call
from stagecraft_hookspecs.contract.doubles import FakeContext, MemoryFolder
from stagecraft_hookspecs.provider import Provider
from stagecraft_hookspecs.runtime import (
    Deployment,
    Draft,
    Execution,
    Instance,
    LogQuery,
    Policy,
    Prepared,
    Renderer,
    Runtime,
    Target,
    View,
)
from stagecraft_hookspecs.values import Command, File, Finding, Operation

STATES = ("created", "running", "restarting", "exited", "dead", "missing")
HEALTH = ("healthy", "unhealthy", "starting", "none")


class RuntimeContract(ProviderContract):
    """Prove a runtime's pure half, and that its steps fail as they should."""

    kind: ClassVar[str] = "runtime"
    base: ClassVar[type[Provider]] = Runtime

    def folder(self) -> MemoryFolder:
        """Return the project's files."""
        return MemoryFolder(samples.FILES)

    def deployment(self, release_id: str = "") -> Deployment:
        """Return what is to run; with a release's id, digests are known."""
        return samples.deployment(self.folder(), release_id=release_id)

    def view(self) -> View:
        """Return where a release runs."""
        host = self.deployment().hosts[0]
        instance = Instance("api", host.name, "4711", "running", "healthy")
        return View("shop", "prod", host, "/srv/.stagecraft/run/prod", "rel-20250102-000000001", (instance,))

    def pure(self) -> tuple[Call, ...]:
        """Return calls of the renderer's methods."""
        queries = (LogQuery(("api",)), LogQuery(("api", "web"), follow=True, since=60.0, tail=10))
        requests = (Execution("api", ("env",)), Execution("api", ("sh", "-c", "exit 3"), oneoff=True, timeout=5.0))
        return (
            Call("render", (self.deployment(),), renderer=True),
            Call("render", (self.deployment("rel-20250102-000000001"),), renderer=True),
            Call("render", (attrs.evolve(self.deployment(), services=()),), renderer=True),
            *(Call("logs", (self.view(), query), renderer=True) for query in queries),
            *(Call("execute", (self.view(), request), renderer=True) for request in requests),
        )

    def target(self, provider: Any) -> Target:
        """Return what the steps are told for the first host."""
        deployment = self.deployment("rel-20250102-000000002")
        draft = provider.Renderer(provider.config).render(deployment)
        host = deployment.hosts[0]
        return Target(host, deployment, draft.files.get(host.name, {}), draft.policies, "rel-20250102-000000001")

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Return calls of the steps. They must act on the context's machines; override it for a runtime that cannot."""
        files = {"app.env": File(b"DATABASE_URL=<secret:DATABASE_URL>\n", 0o600, secret=True)}
        deployment = self.deployment("rel-20250102-000000002")
        target = Target(deployment.hosts[0], deployment, files, {}, "rel-20250102-000000001", expired=("rel-old",))
        steps = tuple(Call(step, (ctx, target)) for step in ("ship", "prepare", "switch", "undo", "retire"))
        return (*steps, Call("observe", (ctx, deployment.hosts[0])))

    def draft(self, provider: Any, release_id: str = "") -> Draft:
        """Return the renderer's draft of the deployment."""
        draft: Draft = provider.Renderer(provider.config).render(self.deployment(release_id))
        return draft

    def test_renderer_is_one(self, provider: Any) -> None:
        """The pure half is a class of its own, so that it never gets a context."""
        assert issubclass(provider.Renderer, Renderer)
        assert not getattr(provider.Renderer, "__abstractmethods__", ())

    def test_drafts_files_for_its_hosts(self, provider: Any) -> None:
        """Files belong to hosts of the deployment; their paths are relative and stay in the release's folder."""
        draft = self.draft(provider)
        assert isinstance(draft, Draft)
        assert set(draft.files) <= {host.name for host in self.deployment().hosts}
        for files in draft.files.values():
            for path, file in files.items():
                assert isinstance(file, File)
                assert path
                assert not path.startswith("/")
                assert ".." not in path.split("/")

    def test_files_with_references_are_secret(self, provider: Any) -> None:
        """A file in which a secret will stand is marked, so that it is written 0600 and kept nowhere."""
        for files in self.draft(provider).files.values():
            for path, file in files.items():
                if b"<secret:" in file.data:
                    assert file.secret, f"{path} refers to a secret and is not marked `secret`"

    def test_every_service_has_a_policy(self, provider: Any) -> None:
        """The plan prints how each service will be replaced, and why so."""
        policies = self.draft(provider).policies
        assert sorted(policies) == [service.name for service in self.deployment().services]
        assert all(isinstance(policy, Policy) and policy.reason for policy in policies.values())

    def test_draft_does_not_depend_on_the_release(self, provider: Any) -> None:
        """Two releases of the same content render the same, so that unchanged services are left alone."""
        first, second = (self.draft(provider, f"rel-20250102-00000000{n}") for n in (1, 2))
        assert first == second

    def test_operations_and_findings_are_well_formed(self, provider: Any) -> None:
        """What the runtime adds to the plan has ids of its own and is about services that there are."""
        draft, names = self.draft(provider), {service.name for service in self.deployment().services}
        assert all(isinstance(o, Operation) and set(o.services) <= names and o.description for o in draft.operations)
        assert len({o.id for o in draft.operations}) == len(draft.operations)
        assert all(isinstance(f, Finding) and f.code and f.message for f in draft.findings)

    def test_commands_are_argv(self, provider: Any) -> None:
        """Logs, exec and one-off runs are commands as data, with the user's words unchanged and in order."""
        renderer = provider.Renderer(provider.config)
        words = ("printf", "%s", "a b; $(c) 'd'")
        command = renderer.execute(self.view(), Execution("api", words, oneoff=True, timeout=7.0))
        assert isinstance(command, Command)
        assert command.argv[-len(words) :] == words, "the user's words must reach the program as they are"
        assert command.timeout == 7.0
        assert isinstance(renderer.logs(self.view(), LogQuery(("api",))), Command)


class RuntimeStepsContract:
    """Prove a runtime's steps where it can run. Give it a fixture ``live``: a context and the target of a first release.

    ``live`` returns a context and a function that makes the target of a release, given its id and the previous one's; it also
    takes down whatever was started.
    """

    def test_steps_can_be_repeated(self, provider: Any, live: tuple[Any, Any]) -> None:
        """Each step twice is as good as once: a run that was killed is finished by repeating it."""
        ctx, make = live
        target = make("rel-20250102-000000001", "")
        names = {service.name for service in target.deployment.on(target.host.name)}
        prepared = [provider.prepare(ctx, target) for _ in range(2)]
        for one in prepared:
            assert isinstance(one, Prepared)
            assert set(one.changed) | set(one.unchanged) == names
        for step in (provider.switch, provider.retire):
            assert step(ctx, target) is None
            assert step(ctx, target) is None
        self._well(provider.observe(ctx, target.host), names)
        again = type(provider)(provider.config)
        self._well(again.observe(ctx, target.host), names)

    def test_unchanged_services_are_left_alone(self, provider: Any, live: tuple[Any, Any]) -> None:
        """A second release of the same content changes nothing."""
        ctx, make = live
        first, second = make("rel-20250102-000000001", ""), make("rel-20250102-000000002", "rel-20250102-000000001")
        provider.prepare(ctx, first)
        provider.switch(ctx, first)
        provider.retire(ctx, first)
        before = [i.id for i in provider.observe(ctx, first.host) if i.active and i.state == "running"]
        assert provider.prepare(ctx, second).changed == ()
        provider.switch(ctx, second)
        provider.retire(ctx, second)
        assert [i.id for i in provider.observe(ctx, first.host) if i.active and i.state == "running"] == before

    def test_tells_which_instances_make_up_a_release(self, provider: Any, live: tuple[Any, Any]) -> None:
        """A prepared release has its instances before it serves; those that the next one leaves untouched are its own too."""
        ctx, make = live
        first, second = make("rel-20250102-000000001", ""), make("rel-20250102-000000002", "rel-20250102-000000001")
        host = first.host
        assert provider.instances(ctx, host, first.deployment.release_id) == ()
        for step in (provider.prepare, provider.switch, provider.retire):
            step(ctx, first)
        before = {i.id for i in provider.instances(ctx, host, first.deployment.release_id)}
        self._well(
            provider.instances(ctx, host, first.deployment.release_id), {s.name for s in first.deployment.services}
        )
        provider.prepare(ctx, second)
        assert {i.id for i in provider.instances(ctx, host, second.deployment.release_id)} == before

    def test_undo_can_come_at_any_time(self, provider: Any, live: tuple[Any, Any]) -> None:
        """Undo before anything, after prepare, after switch, and twice: nothing of the release is left running."""
        ctx, make = live
        target = make("rel-20250102-000000001", "")
        provider.undo(ctx, target)
        for steps in ((), ("prepare",), ("prepare", "switch")):
            for step in steps:
                getattr(provider, step)(ctx, target)
            provider.undo(ctx, target)
            provider.undo(ctx, target)
            assert not [i for i in provider.observe(ctx, target.host) if i.state == "running"], f"after {steps}"

    def _well(self, instances: tuple[Instance, ...], names: set[str]) -> None:
        assert all(isinstance(i, Instance) and i.state in STATES and i.health in HEALTH for i in instances)
        assert {i.service for i in instances if i.active and i.state == "running"} == names
        assert list(instances) == sorted(instances, key=lambda i: (i.service, i.id))
        assert CANARY not in repr(instances)
