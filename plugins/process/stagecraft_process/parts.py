"""Translate what a compose file says about a container's inside to this machine, by few and fixed rules.

A service's texts (environment values, command, healthcheck) mention paths and ports inside a container, which do not
exist here. The rules replace them by *parts*: a text becomes a list of strings and of mappings that are filled when it
is known what to fill in:

==============================  =====================================================================================
``{"volume": NAME}``            the folder that keeps a volume, for the path where the service mounts it
``{"project": PATH}``           the bind-mounted file or folder itself, for the path where the service mounts it
``{"snapshot": PATH}``          a path below the snapshot, for where the Dockerfile copies it to
``{"port": N}``                 the instance's own port, for the container's port N
``{"service": S, "port": N}``   ``127.0.0.1:PORT`` of another service, for ``S:N``
==============================  =====================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import attrs

#: A plain string, or strings and parts in turn.
Text: TypeAlias = "str | list[Any]"

_LOCAL = r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])"
_PORT_FLAG = re.compile(r"(--port=|-p=)(\d+)")


@attrs.frozen
class Inside:
    """Describe a container's inside as far as texts mention it.

    Attributes:
        paths: Container path to the part that stands for it.
        ports: The service's own container ports.
        services: Names of the other services, each with its container ports.
    """

    paths: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    ports: tuple[int, ...] = ()
    services: Mapping[str, tuple[int, ...]] = attrs.field(factory=dict)


def value(text: str, inside: Inside, name: str = "") -> Text:
    """Translate an environment value: paths, other services, and the whole value of ``PORT`` or ``*_PORT``."""
    if (name == "PORT" or name.endswith("_PORT")) and text.isdigit() and int(text) in inside.ports:
        return [{"port": int(text)}]
    return _split(text, [*_path_rules(inside), *_service_rules(inside)])


def argument(text: str, inside: Inside) -> Text:
    """Translate an argument of a command or healthcheck: paths, other services, own ports behind a local address."""
    return _split(text, [*_path_rules(inside), *_service_rules(inside), *_port_rules(inside)])


def arguments(argv: Sequence[str], inside: Inside) -> list[Text]:
    """Translate a command: each argument, and the own port after ``--port`` or ``-p``."""
    result: list[Text] = []
    for before, text in zip(["", *argv], argv, strict=False):
        flag = _PORT_FLAG.fullmatch(text)
        if before in ("--port", "-p") and text.isdigit() and int(text) in inside.ports:
            result.append([{"port": int(text)}])
        elif flag and int(flag[2]) in inside.ports:
            result.append([flag[1], {"port": int(flag[2])}])
        else:
            result.append(argument(text, inside))
    return result


def fill(text: Text, known: Callable[[dict[str, Any]], str | None], literal: Callable[[str], str]) -> Text:
    """Replace the parts for which ``known`` has a value, and pass every plain string through ``literal``."""
    filled: list[Any] = []
    for part in [text] if isinstance(text, str) else text:
        new = literal(part) if isinstance(part, str) else known(part)
        filled.append(part if new is None else new)
    filled = _joined(filled)
    if not filled:
        return ""
    return filled[0] if len(filled) == 1 and isinstance(filled[0], str) else filled


#: A pattern, and what stands in the place of its match.
Rule: TypeAlias = "tuple[str, Callable[[re.Match[str]], list[Any]]]"


def _path_rules(inside: Inside) -> Iterable[Rule]:
    for path, part in sorted(inside.paths.items(), key=lambda item: (-len(item[0]), item[0])):
        # at the start, after a separator, or as the path of a URL without host; to the end, a slash or a separator
        pattern = rf"(?:(?<![^=:,;\s\"'])|(?<=:///)|(?<=://)){re.escape(path)}(?=$|[/:,;?&\s\"'])"
        yield pattern, partial(_one, dict(part))


def _service_rules(inside: Inside) -> Iterable[Rule]:
    for service, ports in sorted(inside.services.items()):
        for port in ports:
            yield rf"(?<![\w.-]){re.escape(service)}:{port}(?!\d)", partial(_one, {"service": service, "port": port})


def _port_rules(inside: Inside) -> Iterable[Rule]:
    for port in inside.ports:
        yield rf"{_LOCAL}:{port}(?!\d)", partial(_own_port, port)


def _one(part: dict[str, Any], match: re.Match[str]) -> list[Any]:
    return [part]


def _own_port(port: int, match: re.Match[str]) -> list[Any]:
    return [match[0].removesuffix(str(port)), {"port": port}]


def _split(text: str, rules: Iterable[Rule]) -> Text:
    """Apply the first rule that matches at each place, in one pass: what one rule left is never the start for another."""
    listed = list(rules)
    if not listed:
        return text
    found: list[Any] = []
    end = 0
    for match in re.finditer("|".join(f"(?P<rule{n}>{pattern})" for n, (pattern, _) in enumerate(listed)), text):
        found += [text[end : match.start()], *listed[int(str(match.lastgroup)[4:])][1](match)]
        end = match.end()
    return _joined([*found, text[end:]]) if found else text


def _joined(parts: Iterable[Any]) -> list[Any]:
    """Return the parts without empty strings, and with neighbouring strings as one."""
    result: list[Any] = []
    for part in parts:
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        elif part != "":
            result.append(part)
    return result
