"""Build the commands for logs, exec and one-off runs. Pure; tested as argv lists.

A task's container is known by its id on its own node, so each host prints the logs of its own: a worker can, and no line
comes twice.
"""

from __future__ import annotations

from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.runtime import Execution, LogQuery, View
from stagecraft_hookspecs.values import Command

from stagecraft_swarm import naming

#: Print several containers' logs at once, each line behind its service's name. Arguments: how many options follow, these, then
#: pairs of service and container.
LOGS_SCRIPT = """\
count=$1; shift; flags=
while [ "$count" -gt 0 ]; do flags="$flags $1"; shift; count=$((count - 1)); done
trap 'trap - TERM; kill 0' INT TERM
while [ "$#" -ge 2 ]; do
  { docker logs $flags "$2" 2>&1 || :; } | sed -u "s/^/$1 | /" &
  shift 2
done
wait
"""


def logs(view: View, query: LogQuery) -> Command:
    """Build the command that prints the log lines of the tasks that serve on a host."""
    chosen = [i for i in view.instances if i.active and i.id and (not query.services or i.service in query.services)]
    flags = [flag for flag, wanted in (("--follow", query.follow), ("--timestamps", query.timestamps)) if wanted]
    flags += ["--tail", str(query.tail)] if query.tail >= 0 else []
    flags += ["--since", f"{round(query.since)}s"] if query.since > 0 else []
    pairs = [word for i in sorted(chosen, key=lambda i: (i.service, i.id)) for word in (i.service, i.id)]
    return Command(("sh", "-c", LOGS_SCRIPT, "logs", str(len(flags)), *flags, *pairs), cwd="/")


def execute(view: View, request: Execution) -> Command:
    """Build the command that runs something in a task's container, or in a new container of the release's image."""
    if request.oneoff:
        folder = naming.release_folder(view.home, view.release_id)
        terminal = "-it" if request.interactive else "-i"
        script = f"{folder}/{naming.run_script(request.service)}"
        return Command(("sh", script, terminal, *request.argv), cwd=view.home, timeout=request.timeout)
    running = [i for i in view.instances if i.service == request.service and i.state == "running" and i.id]
    if not running:
        raise UserError(f"{request.service} does not run on {view.host.name}", hint="see where: stagecraft status")
    chosen = min(running, key=lambda i: (not i.active, i.id))
    flags = ("-i", "-t") if request.interactive else ("-i",) if request.stdin else ()
    return Command(("docker", "exec", *flags, chosen.id, *request.argv), cwd="/", timeout=request.timeout)
