"""Run a command in a service's folder with its environment.

``python -m stagecraft_process.execute HOME SERVICE --release=ID [--oneoff] -- ARGV…``

The environment is read from 0600 files and stands on no command line. Without ``--oneoff`` it is that of the service's running
instance; with it, that of the release's unit, on a port of its own. This process becomes the command, so signals and exit code are
the command's own; 127 where it does not exist, 125 where there is nothing to run it in.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from stagecraft_process import layout


def main(argv: list[str]) -> int:
    """Become the command; returns only where that fails, with the exit code."""
    home, service, flags = argv[0], argv[1], argv[2 : argv.index("--")]
    command = argv[argv.index("--") + 1 :]
    release = next((f.removeprefix("--release=") for f in flags if f.startswith("--release=")), "")
    found = _oneoff(home, service, release) if "--oneoff" in flags else _running(home, service)
    if found is None:
        what = f"release {release or '(none)'} has no" if "--oneoff" in flags else "there is no running"
        print(f"{what} service {service!r} here; deploy it first", file=sys.stderr)
        return 125
    cwd, env = found
    try:
        os.chdir(cwd)
        os.execvpe(command[0], command, env)
    except OSError as error:
        print(f"{command[0]}: {os.strerror(error.errno or 0)} (in {cwd}, PATH={env.get('PATH', '')})", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


def _running(home: str, service: str) -> tuple[str, dict[str, str]] | None:
    """Return folder and environment of the service's serving instance."""
    from stagecraft_process.supervisor import processes, resolve, store

    state = store.load(home)
    group = state.serving(service)
    for instance in group.instances if group else ():
        if group and processes.alive(instance.pid, instance.started):
            env = resolve.environment(group.unit, group.base, instance.ports, _link(state.links), "")
            del env[processes.MARK]
            return group.unit["cwd"], env
    return None


def _oneoff(home: str, service: str, release: str) -> tuple[str, dict[str, str]] | None:
    """Return folder and environment for an instance of a release that nobody else uses."""
    from stagecraft_process.client import inherited
    from stagecraft_process.supervisor import ports, processes, resolve, store

    try:
        with open(layout.unit_file(home, release, service), "rb") as stream:
            unit: dict[str, Any] = json.loads(stream.read())
    except FileNotFoundError:
        return None
    links = (store.read(home) or {"links": {}})["links"]
    env = resolve.environment(unit, inherited(), ports.free(unit["targets"]), _link(links), "")
    del env[processes.MARK]
    return unit["cwd"], env


def _link(links: dict[str, int]) -> Any:
    return lambda service, target: links.get(f"{service}:{target}", target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
