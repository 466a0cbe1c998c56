"""Build the command line of the user's own OpenSSH client, with which it reaches a host as deploys do."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from stagecraft_hookspecs.errors import ProviderError, ToolMissing
from stagecraft_hookspecs.values import Command, Host, Secret

#: Where the keys of hosts are recorded at the first contact, in the project's folder.
KNOWN_HOSTS = Path(".stagecraft/known_hosts")


def ssh_argv(host: Host, root: Path, *, terminal: bool, stdin: bool = True, remote: str = "") -> tuple[str, ...]:
    """Return the argv. What the user's SSH configuration says of the host holds: keys, agent, jump hosts.

    Args:
        root: The project's folder, with the keys of hosts that were met before.
        terminal: Whether the remote command gets a terminal.
        stdin: Whether it gets standard input.
        remote: What the login shell there runs; empty means an interactive shell.

    Raises:
        ToolMissing: There is no ``ssh`` here.
        ProviderError: It refuses its configuration.
    """
    base = (*_file(), *_destination(host))
    said = _configuration(base)
    options = _keys(said, root)
    jump = said.get("proxyjump", "none")
    if jump != "none":
        options += ["-o", f"ProxyCommand={_through(jump, options)}"]
    options += ["-t"] if terminal else [] if stdin else ["-n"]
    return ("ssh", *options, *base, *([remote] if remote else []))


def remote_line(command: Command, secrets: str = "a secret cannot be handed to it that way") -> str:
    """Return a command as a line for a login shell, every word quoted.

    Raises:
        ProviderError: Its environment holds a secret, which would stand on a command line.
    """
    words = []
    for name, value in sorted(command.env.items()):
        if isinstance(value, Secret):
            raise ProviderError(f"{command.argv[0]} wants the secret {value.name} in its environment: {secrets}")
        words.append(f"{name}={value}")
    line = shlex.join([*(["env", *words] if words else []), *command.argv])
    return f"cd {shlex.quote(command.cwd)} && exec {line}" if command.cwd else f"exec {line}"


def _file() -> tuple[str, ...]:
    """Return the option for the configuration file that the environment names instead of the user's."""
    named = os.environ.get("STAGECRAFT_SSH_CONFIG")
    return ("-F", named) if named else ()


def _destination(host: Host) -> tuple[str, ...]:
    address = ("-o", f"HostName={host.address}") if host.address else ()
    port = ("-p", str(host.port)) if host.port != Host("").port else ()
    user = ("-l", host.user) if host.user else ()
    return (*address, *port, *user, "--", host.name)


def _keys(said: Mapping[str, str], root: Path) -> list[str]:
    """Return the options for what keys of hosts are verified against."""
    known = " ".join([_quoted(root.absolute() / KNOWN_HOSTS), said.get("userknownhostsfile", "~/.ssh/known_hosts")])
    options = ["-o", f"UserKnownHostsFile={known}"]
    if said.get("stricthostkeychecking") in (None, "ask"):
        # as a deploy does it: a host that was never met is recorded, a key that changed is refused
        options += ["-o", "StrictHostKeyChecking=accept-new"]
    return options


def _through(jump: str, options: Sequence[str]) -> str:
    """Return the command that connects through a jump host: options of a command line do not reach it by themselves."""
    *before, last = jump.split(",")
    hops = ("-J", ",".join(before)) if before else ()
    address = last if last.startswith("ssh://") else f"ssh://{last}"
    words = ["ssh", *_file(), *options, *hops, "-W", "TARGET", "--", address]
    return shlex.join(words).replace("%", "%%").replace("TARGET", "[%h]:%p")


def _configuration(base: tuple[str, ...]) -> Mapping[str, str]:
    """Return what the client would do, by the options' names in small letters."""
    try:
        done = subprocess.run(("ssh", "-G", *base), capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        raise ToolMissing("ssh is not installed here", hint="install the OpenSSH client") from None
    except subprocess.TimeoutExpired:
        raise ProviderError("ssh -G does not answer", hint="look at `Match exec` in ~/.ssh/config") from None
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["no reason given"]
        raise ProviderError(f"ssh refuses its configuration: {reason[-1]}", hint="mend ~/.ssh/config")
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def _quoted(path: Path) -> str:
    """Return a path as a word of an option's value, in which ``%`` begins a token and blanks separate."""
    text = str(path).replace("%", "%%")
    return f'"{text}"' if " " in text else text
