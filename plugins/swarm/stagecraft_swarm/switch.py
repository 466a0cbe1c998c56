"""Switch: give the swarm the release's stack, wave by wave of dependencies, and wait until it has converged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.errors import CommandFailed, NotFound, ProviderError
from stagecraft_hookspecs.runtime import Target
from stagecraft_hookspecs.values import Command

from stagecraft_swarm import gate, naming, objects, prepare, stackfile, verdict

if TYPE_CHECKING:
    from stagecraft_hookspecs.values import Host

    from stagecraft_swarm.site import Site

TIMEOUT = 120.0
#: How often an update is told again that met another one of the same service.
ATTEMPTS = 5


def switch(site: Site, target: Target) -> None:
    """Make the release serve; nothing on a host that does not lead."""
    if not site.leads():
        return
    leader, release = target.host, target.deployment.release_id
    try:
        document = prepare.recall(site, release)
    except NotFound as error:
        raise ProviderError(f"{release} was never prepared on {leader.name}", hint="deploy again") from error
    objects.label_nodes(site, leader, document)
    names = {n for n in document["services"] if not target.only or n in target.only}
    changed = {n for n in names if document["services"][n]["labels"][naming.RELEASE] == release}
    wanted = verdict.wanted(document)
    rounds = stackfile.waves(document, changed)
    for wave in rounds[:-1]:
        deploy(site, document, wave)
        gate.wait(site, leader, {n: wanted[n] for n in wave}, changed)
    if target.only:
        deploy(site, document, names)
    else:
        deploy(site, document)
    gate.wait(site, leader, {n: wanted[n] for n in names}, changed)


def deploy(site: Site, document: Mapping[str, Any], only: Collection[str] | None = None) -> None:
    """Run ``docker stack deploy`` with the stack on standard input: all of it, or some services beside what there is."""
    prune = ("--prune",) if only is None else ()
    argv = ("docker", "stack", "deploy", *prune, "--resolve-image", "never", "--compose-file", "-", site.stack)
    command = Command(argv, cwd="/", stdin=stackfile.deployable(document, only), timeout=TIMEOUT)
    for attempt in range(1, ATTEMPTS + 1):
        done = site.ctx.machine(site.host).run(command, check=False)
        if done.ok:
            return
        if "update out of sequence" not in done.stderr or attempt == ATTEMPTS:
            raise CommandFailed(done, what=f"docker stack deploy on {site.host.name}", hint=_hint(done.stderr))
        site.ctx.sleep(0.2 * attempt)


def _hint(stderr: str) -> str:
    if "Additional property" in stderr or "must be" in stderr:
        return "the swarm's schema does not know this key: remove it, or run the service with `runtime: compose`"
    return "see the state of the swarm: docker node ls"


def wait_until_gone(site: Site, leader: Host, unwanted: Collection[str] = ()) -> bool:
    """Wait, a minute at most, until no task runs that is to stop; return whether that came about.

    Args:
        unwanted: Services that are to have no task at all.
    """
    until = site.ctx.monotonic() + 60.0
    while site.ctx.monotonic() < until:
        stopping = [
            t
            for t in site.tasks(leader)
            if verdict.state(t) in ("running", "starting", "preparing")
            and (t.get("DesiredState") in ("shutdown", "remove") or str(t.get("ServiceID")) in unwanted)
        ]
        if not stopping:
            return True
        site.ctx.sleep(gate.TICK)
    return False
