"""CI: the service that runs deploys on a push. ``ci init`` writes its files, ``ci run`` starts a run and follows it.

A whole plugin is this file, ``stagecraft_forgejo/plugin.py``::

    import attrs
    from stagecraft_hookspecs import hookimpl
    from stagecraft_hookspecs.ci import CI, Pipeline, Run
    from stagecraft_hookspecs.errors import ProviderError
    from stagecraft_hookspecs.values import Command, File

    @attrs.frozen
    class ForgejoConfig:
        runner: str = attrs.field(default="docker", metadata={"help": "label of the runner"})

    class Forgejo(CI):
        '''Deploy from Forgejo Actions.'''

        name = "forgejo"
        Config = ForgejoConfig

        def render(self, pipeline):
            jobs = "".join(f"  {e}: {{runs-on: {self.config.runner}}}\\n" for e in pipeline.environments)
            return {".forgejo/workflows/deploy.yml": File(("on: push\\njobs:\\n" + jobs).encode())}

        def trigger(self, ctx, environment, version):
            result = ctx.machine().run(Command(("fj", "run", "deploy", environment, version)))
            return Run(result.stdout.strip(), "pending")

        def observe(self, ctx, run):
            state = ctx.machine().run(Command(("fj", "status", run.id))).stdout.strip()
            if state not in ("pending", "running", "succeeded", "failed", "cancelled"):
                raise ProviderError(f"fj says that run {run.id} is {state!r}", hint=f"look for yourself: fj status {run.id}")
            return attrs.evolve(run, state=state)

    @hookimpl
    def stagecraft_ci():
        return Forgejo

with the entry point ``forgejo = "stagecraft_forgejo.plugin"`` in the group ``stagecraft``. ``render`` is pure; the kernel
compares its files with what is there (the facts), shows the difference (the plan) and writes them. Secrets are named in the
files, never written into them. Prove yours with ``contract.ci.CIContract``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from stagecraft_hookspecs import hookspec
from stagecraft_hookspecs.provider import Provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import File


@attrs.frozen
class Pipeline:
    """Say what the CI is to do.

    Attributes:
        project: The project's name.
        environments: The environments that CI deploys, sorted.
        branch: The branch whose pushes deploy.
        secrets: Names of the secrets that a deploy needs, sorted.
        install: Requirements to install, pinned: ``stagecraft[standard]==1.2.3``.
    """

    project: str
    environments: tuple[str, ...]
    branch: str = "main"
    secrets: tuple[str, ...] = ()
    install: tuple[str, ...] = ()


@attrs.frozen
class Run:
    """Identify one run: the service's id, ``pending|running|succeeded|failed|cancelled``, a page to open."""

    id: str
    state: str
    url: str = ""


class CI(Provider):
    """Run deploys somewhere else."""

    @abstractmethod
    def render(self, pipeline: Pipeline) -> Mapping[str, File]:
        """Return the files to commit, by path relative to the project. Pure."""

    @abstractmethod
    def trigger(self, ctx: Context, environment: str, version: str) -> Run:
        """Start a deploy and return at once. Raises ProviderError."""

    @abstractmethod
    def observe(self, ctx: Context, run: Run) -> Run:
        """Return the run as it stands now; change nothing. Raises ProviderError."""


@hookspec
def stagecraft_ci() -> type[CI] | Iterable[type[CI]]:  # type: ignore[empty-body]
    """Return CI classes. Called once, when a CI is looked up by name; nothing is constructed."""
