"""The checks of ``stagecraft doctor``. Each looks, changes nothing, and ends in a verdict."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ConfigError, StagecraftError

from stagecraft.run.checking import Check, guarded

if TYPE_CHECKING:
    from stagecraft.cli.session import Session
    from stagecraft.context import RunContext
    from stagecraft.plan.planner import Planned
    from stagecraft.project import Project

#: Bytes that should be free where the project and its releases lie.
FREE = 512 << 20


def examine(session: Session, hosts: Sequence[str] = (), roles: Sequence[str] = ()) -> Iterator[Check]:
    """Yield the checks in an order in which each relies on those before it; a failure that hides the rest ends them.

    Args:
        hosts, roles: The hosts to look at; all without either.
    """
    yield Check("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    yield from _plugins(session)
    configured = guarded("configuration", lambda: _configuration(session))
    yield configured
    if configured.verdict == "failed":
        return
    environments = [session.environment] if session.environment else list(session.raw.environments or (None,))
    if hosts or roles:
        environments = [session.config.environment]
    for name in environments:
        yield from _environment(session, name, hosts, roles)


def _plugins(session: Session) -> Iterator[Check]:
    kernel = session.kernel
    kernel.load_all()
    for name, broken in sorted(kernel.broken.items()):
        hint = f"reinstall it: {sys.executable} -m pip install --force-reinstall {broken.distribution}"
        yield Check(f"plugin {name}", "failed", broken.reason, hint)
    for name, owners in sorted(kernel.catalog.clashes.items()):
        yield Check(f"plugin {name}", "failed", f"claimed by {' and '.join(owners)}", "uninstall one of them")
    if not kernel.catalog.plugins:
        yield Check("plugins", "failed", "none is installed", f"{sys.executable} -m pip install 'stagecraft[standard]'")
    else:
        yield Check("plugins", "ok", ", ".join(kernel.catalog.plugins))


def _configuration(session: Session) -> str:
    from stagecraft.loading import faults_of

    problems = faults_of(session.raw, session.kernel)
    if problems:
        raise ConfigError(problems)
    return f"{session.raw.path.name} and its compose file have no fault"


def _environment(session: Session, name: str | None, hosts: Sequence[str], roles: Sequence[str]) -> Iterator[Check]:
    from stagecraft.config import resolve
    from stagecraft.loading import load_project
    from stagecraft.run.host_checks import check_hosts
    from stagecraft.run.selection import choose

    config = resolve(session.raw, name, session.kernel.lookup, session.kernel.catalog.defaults)
    project = load_project(config, session.kernel, no_plugins=True)
    label = config.environment
    chosen = choose(project, hosts, (), roles).hosts
    with session.context_of(project) as ctx:
        planned: list[Planned] = []
        yield guarded(f"{label}: plan", lambda: _plan(project, planned))
        yield guarded(f"{label}: state", lambda: _state(project, ctx))
        yield guarded(f"{label}: lock", lambda: _lock(project, ctx))
        yield from check_hosts(project, ctx, chosen, planned[0] if planned else None)
        for database in sorted(n for n, d in config.databases.items() if d.engine is not None):
            yield _database(project, ctx, database)
        if project.has("secrets"):
            yield guarded(f"{label}: secrets", lambda: _secrets(project, ctx))
    free = shutil.disk_usage(config.root).free
    yield Check(
        f"{label}: disk",
        "ok" if free >= FREE else "failed",
        f"{free >> 20} MB free in {config.root.name}",
        "" if free >= FREE else "free some space: releases and images need it",
    )


def _plan(project: Project, planned: list[Planned]) -> str:
    from stagecraft.plan.planner import make_plan

    made = make_plan(project)
    plan = made.plan
    plan.refuse_errors()
    planned.append(made)
    return f"{len(plan.operations)} operations, {len(plan.findings)} findings"


def _state(project: Project, ctx: RunContext) -> str:
    from stagecraft_hookspecs.errors import UserError

    from stagecraft.run.history import History

    history = History(project.state.releases(ctx))
    if history.unfinished is not None and project.state.holder(ctx) is not None:
        return f"{history.unfinished.id} is under way; see the lock"
    if history.unfinished is not None:
        raise UserError(
            f"{history.unfinished.id} did not end",
            hint=f"`stagecraft deploy -e {ctx.environment} --resume` finishes it, `--abort` undoes it",
        )
    serving = history.serving
    return f"{len(history.releases)} releases, {serving.id if serving else 'none'} serves"


def _lock(project: Project, ctx: RunContext) -> str:
    holder = project.state.holder(ctx)
    return "free" if holder is None else f"held by {holder.who} ({holder.command}) since {holder.since}"


def _database(project: Project, ctx: RunContext, name: str) -> Check:
    """Look whether a database can be asked. One that does not run yet is no fault: a deploy starts it; a missing driver is."""
    from stagecraft_hookspecs.errors import ToolMissing

    from stagecraft.run.migrating import inspect

    what = f"{ctx.environment}: database {name}"
    try:
        found = inspect(project, ctx, name)[0]
    except (ToolMissing, ConfigError) as error:
        return Check(what, "failed", error.message, error.hint)
    except StagecraftError as error:
        return Check(what, "warning", error.message, error.hint)
    if found.plan.problems:
        return Check(what, "failed", str(found.plan.problems[0]), found.plan.problems[0].hint)
    return Check(what, "ok", f"pending migrations: {len(found.plan.pending)}")


def _secrets(project: Project, ctx: RunContext) -> str:
    from stagecraft_hookspecs.errors import UserError

    provider = project.secrets_provider()
    assert provider is not None
    with project.blamed():
        missing = sorted(set(provider.names(project.view)) - set(provider.observe(ctx).names))
    if missing:
        raise UserError(f"{', '.join(missing)} cannot be found", hint="set them in the store of the secrets provider")
    return f"{len(project.secrets)} from env files" if project.secrets else "none needed"
