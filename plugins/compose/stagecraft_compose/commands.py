"""Build the commands for logs, exec and one-off runs. Pure; tested as argv lists."""

from __future__ import annotations

from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.runtime import Execution, Instance, LogQuery, View
from stagecraft_hookspecs.values import Command

from stagecraft_compose import naming

#: Print several containers' logs at once, each line behind its service's name. Arguments: number of options for
#: ``docker logs``, these, then pairs of service and container. Nothing of the user's is part of the script.
LOGS_SCRIPT = """\
n=$1; shift; options=
while [ "$n" -gt 0 ]; do options="$options $1"; shift; n=$((n - 1)); done
trap 'trap - TERM; kill 0' INT TERM
while [ "$#" -gt 1 ]; do
  docker logs $options "$2" 2>&1 | sed -u "s/^/$1 | /" &
  shift 2
done
wait
"""
#: Run a one-off container and see to it that it is gone afterwards, also when the run is ended early. Arguments: the
#: beginning of its name, the release's folder, the compose project, its file, then the service and the command. A shell
#: gives what it runs in the background no standard input unless it is told to.
ONEOFF_SCRIPT = """\
name=$1-$$ folder=$2 project=$3 file=$4; shift 4
trap 'docker rm -f "$name" >/dev/null 2>&1; exit 143' INT TERM HUP
exec 3<&0
docker compose --project-directory "$folder" -p "$project" -f "$file" run --rm --no-deps -T --name "$name" "$@" <&3 &
wait $!
"""


def logs(view: View, query: LogQuery, project: str) -> Command:
    """Build the command that prints the log lines of the serving instances."""
    chosen = [i for i in view.instances if i.active and i.id and (not query.services or i.service in query.services)]
    options = ["--follow"] if query.follow else []
    options += ["--timestamps"] if query.timestamps else []
    if query.tail >= 0:
        options += ["--tail", str(query.tail)]
    if query.since > 0:
        options += ["--since", f"{round(query.since)}s"]
    pairs = [part for i in sorted(chosen, key=lambda i: (i.service, i.id)) for part in (i.service, i.id)]
    return Command(("sh", "-c", LOGS_SCRIPT, "logs", str(len(options)), *options, *pairs), cwd=view.home or "/")


def execute(view: View, request: Execution, project: str) -> Command:
    """Build the command that runs something in a service's running instance, or in a new one with the release's
    image.
    """
    return _oneoff(view, request, project) if request.oneoff else _exec(view, request)


def _exec(view: View, request: Execution) -> Command:
    container = _running(view, request.service)
    flags = ("-i", "-t") if request.interactive else ("-i",) if request.stdin else ()
    argv = ("docker", "exec", *flags, container.id, *request.argv)
    return Command(argv, cwd=view.home or "/", timeout=request.timeout)


def _oneoff(view: View, request: Execution, project: str) -> Command:
    folder = naming.release_folder(view.home, view.release_id)
    file = f"{folder}/{naming.HOST_FILE}"
    name = f"{project}-{request.service}-oneoff"
    argv: tuple[str, ...] = ("sh", "-c", ONEOFF_SCRIPT, "oneoff", name, folder, project, file)
    if request.interactive:
        argv = (
            "docker",
            "compose",
            "--project-directory",
            folder,
            "-p",
            project,
            "-f",
            file,
            "run",
            "--rm",
            "--no-deps",
        )
    return Command((*argv, request.service, *request.argv), cwd=folder, timeout=request.timeout)


def _running(view: View, service: str) -> Instance:
    found = [i for i in view.instances if i.service == service and i.state == "running" and i.id]
    for instance in sorted(found, key=lambda i: (not i.active, i.id)):
        return instance
    raise UserError(f"{service} does not run on {view.host.name}", hint="see what does: stagecraft status")
