"""Judge from outside what a fleet serves and what lies about on it: over HTTP and by each host's own engine."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import time
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.testbed.handles import TestHost

from .site import Site

NOTHING = ""
"""The version before the first release: nothing runs."""
COMMAND = re.compile(r"`(stagecraft [^`]+)`")
PATIENCE = 15.0


def serves(site: Site, *versions: str, patience: float = PATIENCE) -> tuple[str | None, str]:
    """Return the one version of `versions` that every host serves and runs, alone; None and what is seen otherwise.

    Engines and containers that were started again may take some seconds to be well.
    """
    ends = time.monotonic() + patience
    while True:
        with ThreadPoolExecutor(len(site.hosts)) as pool:
            seen = list(pool.map(lambda host: _seen(site, host), site.hosts))
        for version in versions:
            if all(_is(each, version) for each in seen):
                return version, ""
        if time.monotonic() > ends:
            return None, "; ".join(f"{h.name}: {json.dumps(s)}" for h, s in zip(site.hosts, seen, strict=True))
        time.sleep(0.4)


def next_command(said: str, again: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments of the command that an output says to run next; empty where it names none."""
    named = [text.split()[1:] for text in COMMAND.findall(said)]
    for wanted in (("deploy", "--abort"), ("deploy", "--resume"), ("deploy",), ("rollback",)):
        for words in named:
            if words[:1] == list(wanted[:1]) and set(wanted) <= set(words):
                return tuple(w for w in words if w not in ("-e", "prod"))
    if re.search(r"(run|repeat) (the|this) command|deploy again|, then repeat|run it again", said):
        return tuple(again)
    return ()


def locked(site: Site) -> list[str]:
    """Return the hosts on which somebody holds the environment's lock."""
    script = f"[ ! -e {site.home}/lock ] || flock -n {site.home}/lock true || echo held"
    return [h.name for h in site.hosts if h.running and "held" in h.sh(script)]


def usual(site: Site) -> dict[str, Any]:
    """Return what hosts hold beside the project's containers, as after every good deploy."""
    return {host.name: _beside(site, host) for host in site.hosts}


def leftovers(site: Site, pids: Sequence[int]) -> list[str]:
    """Return what should not be there, in words, waiting some seconds for what is just going.

    Args:
        pids: Sessions of this machine that have to be gone.
    """
    ends = time.monotonic() + PATIENCE
    while (found := _leftovers(site, pids)) and time.monotonic() < ends:
        time.sleep(0.5)
    return found


def _leftovers(site: Site, pids: Sequence[int]) -> list[str]:
    found = [f"{name}: the lock is held" for name in locked(site)]
    for host in site.hosts:
        kept = set(site.served)
        for container in _containers(site, host):
            state, version = container["State"]["Status"], _version(container)
            if state not in ("running", "exited"):
                found.append(f"{host.name}: {container['Name']} is {state}")
            elif version not in kept:
                found.append(f"{host.name}: {container['Name']} is of {version}, which never served")
        for what, names in _beside(site, host).items():
            extra = sorted(set(names) - set(site.usual.get(host.name, {}).get(what, ())))
            found += [f"{host.name}: {what} {name}" for name in extra]
    found += [f"this machine: a process of session {pid} runs" for pid in pids if _session_runs(pid)]
    found += [f"this machine: {path.name} in its temporary folder" for path in site.temporary.iterdir()]
    return found


def _seen(site: Site, host: TestHost) -> dict[str, Any]:
    status, text = site.get(host, timeout=3.0)
    running = [
        f"{c['Config']['Labels']['com.docker.compose.service']}={_version(c)}"
        for c in _containers(site, host)
        if c["State"]["Running"]
    ]
    return {"http": text.strip()[:60] if status == 200 else status, "runs": sorted(running)}


def _is(seen: dict[str, Any], version: str) -> bool:
    if version == NOTHING:
        return seen["http"] in (0, 404, 503) and seen["runs"] == []
    return bool(seen == {"http": version, "runs": [f"web={version}", f"worker={version}"]})


def _containers(site: Site, host: TestHost) -> list[dict[str, Any]]:
    """Return the project's containers, running or not, as the engine describes them."""
    wanted = urllib.parse.quote(json.dumps({"label": [f"com.docker.compose.project={site.name}-prod"]}))
    try:
        return [
            dict(_engine(host, f"/containers/{each['Id']}/json"))
            for each in _engine(host, f"/containers/json?all=1&filters={wanted}")
        ]
    except (OSError, http.client.HTTPException, ValueError) as error:
        # an engine that is just starting, or a container that is just going; what lasts shows in the verdict
        unknown = {"Labels": {"com.docker.compose.service": type(error).__name__}}
        return [{"Name": str(error)[:80], "State": {"Status": "unknown", "Running": True}, "Config": unknown}]


def _engine(host: TestHost, path: str) -> Any:
    """Ask a host's engine by its socket, past SSH and network; return its answer."""
    connection = http.client.HTTPConnection("localhost", timeout=5)
    with socket.socket(socket.AF_UNIX) as way:
        way.settimeout(5)
        way.connect(host.docker_host.removeprefix("unix://"))
        connection.sock = way
        connection.request("GET", path)
        answer = connection.getresponse()
        data = answer.read()
    if answer.status != 200:
        raise ValueError(f"{path}: {answer.status} {data[:60]!r}")
    return json.loads(data)


def _version(container: dict[str, Any]) -> str:
    values = [e.partition("=")[2] for e in container["Config"].get("Env", ()) if e.startswith("APP_VERSION=")]
    return values[0] if values else "?"


def _beside(site: Site, host: TestHost) -> dict[str, list[str]]:
    mine = {c["Name"] for c in _containers(site, host)}
    named = {each["Names"][0] for each in _engine(host, "/containers/json?all=1")}
    return {
        "network": [each["Name"] for each in _engine(host, "/networks")],
        "container": sorted(named - mine),
        "volume": [each["Name"] for each in _engine(host, "/volumes")["Volumes"] or ()],
        "process": host.sh(f"pgrep -u {host.user} -a | cut -d' ' -f2-").split("\n")[:-1],
        "temporary file": host.sh(
            f"ls /tmp; find /home/{host.user}/.stagecraft -name '*.part' -o -name '*.tmp' -o -name '*.new'"
        ).split(),
    }


def _session_runs(pid: int) -> bool:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == pid and fields[0] != "Z":
                return True
    return False
