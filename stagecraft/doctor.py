"""The checks of ``stagecraft doctor``. Each looks, changes nothing, and ends in a verdict."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs
from stagecraft_hookspecs.errors import ConfigError, StagecraftError

if TYPE_CHECKING:
    from stagecraft.cli.session import Session
    from stagecraft.context import RunContext
    from stagecraft.project import Project

#: Bytes that should be free where the project and its releases lie.
FREE = 512 << 20


@attrs.frozen
class Check:
    """Hold one check's outcome: ``ok``, ``warning`` or ``failed``."""

    what: str
    verdict: str
    found: str
    hint: str = ""


def examine(session: Session) -> Iterator[Check]:
    """Yield the checks in an order in which each relies on those before it; a failure that hides the rest ends them."""
    yield Check("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    yield from _plugins(session)
    configured = _guarded("configuration", lambda: _configuration(session))
    yield configured
    if configured.verdict == "failed":
        return
    environments = [session.environment] if session.environment else list(session.raw.environments or (None,))
    for name in environments:
        yield from _environment(session, name)


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


def _environment(session: Session, name: str | None) -> Iterator[Check]:
    from stagecraft.config import resolve
    from stagecraft.loading import load_project

    config = resolve(session.raw, name, session.kernel.lookup, session.kernel.catalog.defaults)
    project = load_project(config, session.kernel, no_plugins=True)
    label = config.environment
    with session.context_of(project) as ctx:
        yield _guarded(f"{label}: plan", lambda: _plan(project))
        yield _guarded(f"{label}: state", lambda: _state(project, ctx))
        yield _guarded(f"{label}: lock", lambda: _lock(project, ctx))
        for host in config.hosts:
            yield _guarded(f"{label}: runtime on {host.name}", lambda host=host: _runtime(project, ctx, host.name))  # type: ignore[misc]
        for database in sorted(n for n, d in config.databases.items() if d.engine is not None):
            yield _database(project, ctx, database)
        if project.has("secrets"):
            yield _guarded(f"{label}: secrets", lambda: _secrets(project, ctx))
    free = shutil.disk_usage(config.root).free
    yield Check(
        f"{label}: disk",
        "ok" if free >= FREE else "failed",
        f"{free >> 20} MB free in {config.root.name}",
        "" if free >= FREE else "free some space: releases and images need it",
    )


def _plan(project: Project) -> str:
    from stagecraft.plan.planner import make_plan

    plan = make_plan(project).plan
    plan.refuse_errors()
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


def _runtime(project: Project, ctx: RunContext, name: str) -> str:
    host = project.config.host(name)
    with project.blamed():
        instances = project.runtime.observe(ctx, host)
    active = sum(i.active and i.state == "running" for i in instances)
    return f"{project.config.providers['runtime'].name} answers, {active} instances run"


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


def _guarded(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what, "ok", look())
    except ConfigError as error:
        count = len(error.problems)
        more = f" (and {count - 1} more; see `stagecraft config validate`)" if count > 1 else ""
        return Check(what, "failed", f"{error.problems[0]}{more}", error.hint)
    except StagecraftError as error:
        return Check(what, "failed", f"{error.where}: {error.message}" if error.where else error.message, error.hint)
