"""The contract suite of CI providers."""

from __future__ import annotations

from typing import Any, ClassVar

from stagecraft_hookspecs.ci import CI, Pipeline, Run
from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import Call
from stagecraft_hookspecs.contract.doubles import FakeContext
from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.provider import Provider
from stagecraft_hookspecs.values import File

STATES = ("pending", "running", "succeeded", "failed", "cancelled")


class CIContract(ProviderContract):
    """Prove a CI."""

    kind: ClassVar[str] = "ci"
    base: ClassVar[type[Provider]] = CI

    def pipeline(self) -> Pipeline:
        """Return what the CI is to do."""
        return Pipeline("shop", ("prod", "staging"), "main", ("DATABASE_URL",), ("stagecraft[standard]==0.1.0",))

    def run(self) -> Run:
        """Return a run as `trigger` would."""
        return Run("4711", "pending")

    def pure(self) -> tuple[Call, ...]:
        """Return calls of `render`."""
        return (Call("render", (self.pipeline(),)), Call("render", (Pipeline("shop", ()),)))

    def effects(self, ctx: FakeContext) -> tuple[Call, ...]:
        """Return calls of `trigger` and `observe`."""
        return (Call("trigger", (ctx, "prod", "v1")), Call("observe", (ctx, self.run())))

    def test_renders_files_in_the_project(self, provider: Any) -> None:
        """Files are committed: their paths are relative and stay in the project, and none is secret."""
        files = provider.render(self.pipeline())
        assert files
        for path, file in files.items():
            assert isinstance(file, File)
            assert path
            assert not path.startswith("/")
            assert ".." not in path.split("/")
            assert file.data.strip()
            assert not file.secret

    def test_every_environment_is_deployed(self, provider: Any) -> None:
        """Each environment's name stands in the files."""
        text = b"".join(file.data for _, file in sorted(provider.render(self.pipeline()).items()))
        assert all(name.encode() in text for name in self.pipeline().environments)

    def test_runs_have_known_states(self, provider: Any) -> None:
        """What is returned can be shown: an id, and a state that there is."""
        for call in self.effects(FakeContext()):
            try:
                run = call.bound(provider)()
            except StagecraftError:
                continue
            assert isinstance(run, Run)
            assert run.state in STATES, f"{call.method} returned the state {run.state!r}"
