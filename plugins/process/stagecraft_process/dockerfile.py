"""Read from a Dockerfile what an image built from it would run: nothing is built, ``RUN`` is not executed.

Format: the Dockerfile reference (instructions, continuation lines, escape directive, heredocs are skipped,
``ARG``/``ENV`` substitution). Of several stages the last one counts, or the target, with what it inherits from an
earlier stage.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")
_HEREDOC = re.compile(r"<<-?[\"']?(\w+)[\"']?")


@attrs.frozen
class Recipe:
    """Hold what an image would run.

    Attributes:
        shell: Whether entrypoint or command are in shell form, and run by ``/bin/sh -c``.
        copies: Source in the build context and absolute destination of each ``COPY`` and ``ADD`` from the context.
        runs: Number of ``RUN`` steps.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = attrs.field(factory=dict)
    workdir: str = ""
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    health: Mapping[str, Any] | None = None
    copies: tuple[tuple[str, str], ...] = ()
    runs: int = 0


def read(text: str, *, target: str = "", args: Mapping[str, str] | None = None) -> Recipe:
    """Return what an image built from a Dockerfile's text would run."""
    stages: dict[str, Recipe] = {}
    recipe = Recipe()
    variables: dict[str, str] = {}
    name = ""
    for word, rest in instructions(text):
        if word == "FROM":
            if target and name == target.lower():
                break
            base, name = _stage(rest, len(stages))
            recipe = stages.get(_expand(base, variables).lower(), Recipe())
            variables = {**variables, **recipe.env}
        elif word == "ARG":
            key, _, default = rest.strip().partition("=")
            variables.setdefault(key, (args or {}).get(key, _expand(_unquote(default), variables)))
        else:
            recipe = _apply(recipe, word, rest, variables)
            variables.update(recipe.env)
        if name:
            stages[name] = recipe
    return recipe


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction's upper-case word and the rest of its line, continuation lines joined."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = line.strip()
        while whole.endswith("\\"):
            more = next(lines, "")
            whole = whole[:-1] + ("" if more.lstrip().startswith("#") else f" {more.strip()}")
            if more.lstrip().startswith("#"):
                whole += "\\"
        word, _, rest = whole.partition(" ")
        if word.upper() in ("RUN", "COPY", "ADD"):
            for heredoc in _HEREDOC.findall(rest):
                while (inner := next(lines, None)) is not None and inner.strip() != heredoc:
                    pass
        yield word.upper(), rest.strip()


def _stage(rest: str, number: int) -> tuple[str, str]:
    words = [w for w in rest.split() if not w.startswith("--")]
    named = len(words) >= 3 and words[1].lower() == "as"
    return (words[0] if words else ""), (words[2].lower() if named else str(number))


def _apply(recipe: Recipe, word: str, rest: str, variables: Mapping[str, str]) -> Recipe:
    if word == "ENV":
        pairs = {k: _expand(v, variables) for k, v in _pairs(rest)}
        return attrs.evolve(recipe, env={**recipe.env, **pairs})
    if word == "WORKDIR":
        path = _expand(_unquote(rest), variables)
        return attrs.evolve(recipe, workdir=path if path.startswith("/") else f"{recipe.workdir.rstrip('/')}/{path}")
    if word == "CMD":
        return attrs.evolve(recipe, command=_command(rest))
    if word == "ENTRYPOINT":
        return attrs.evolve(recipe, entrypoint=_command(rest), command=())
    if word == "EXPOSE":
        found = [_expand(p, variables).partition("/") for p in rest.split()]
        ports = [int(p) for p, _, protocol in found if p.isdigit() and protocol in ("", "tcp")]
        return attrs.evolve(recipe, ports=(*recipe.ports, *(p for p in ports if p not in recipe.ports)))
    if word == "VOLUME":
        paths = json.loads(rest) if rest.startswith("[") else rest.split()
        return attrs.evolve(recipe, volumes=(*recipe.volumes, *(_expand(str(p), variables) for p in paths)))
    if word == "STOPSIGNAL":
        return attrs.evolve(recipe, stop_signal=_expand(rest, variables))
    if word == "HEALTHCHECK":
        return attrs.evolve(recipe, health=_health(rest))
    if word in ("COPY", "ADD"):
        return attrs.evolve(recipe, copies=(*recipe.copies, *_copies(rest, recipe.workdir, variables)))
    return attrs.evolve(recipe, runs=recipe.runs + 1) if word == "RUN" else recipe


def _copies(rest: str, workdir: str, variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    while match := re.match(r"--([a-z-]+)(?:=(\S+))?\s+", rest):
        if match[1] == "from":
            return
        rest = rest[match.end() :]
    words = [_expand(str(w), variables) for w in (json.loads(rest) if rest.startswith("[") else rest.split())]
    for source in words[:-1]:
        if "<<" not in source and "://" not in source and not set("*?[") & set(source):
            target = words[-1] if words[-1].startswith("/") else f"{workdir or '/'}/{words[-1]}"
            yield source, target


def _command(rest: str) -> tuple[str, ...]:
    if rest.startswith("["):
        try:
            return tuple(str(a) for a in json.loads(rest))
        except ValueError:
            pass
    return ("/bin/sh", "-c", rest) if rest else ()


def _health(rest: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    while match := re.match(r"--([a-z-]+)=(\S+)\s*", rest):
        options[match[1].replace("-", "_")] = match[2]
        rest = rest[match.end() :]
    word, _, command = rest.partition(" ")
    if word.upper() == "NONE":
        return {"disable": True}
    argv = _command(command.strip())
    test = ["CMD-SHELL", argv[2]] if argv[:2] == ("/bin/sh", "-c") else ["CMD", *argv]
    return {"test": test, **options, **({"retries": int(options["retries"])} if "retries" in options else {})}


def _pairs(rest: str) -> list[tuple[str, str]]:
    first = rest.split(maxsplit=1)
    if first and "=" not in first[0]:
        return [(first[0], first[1] if len(first) > 1 else "")]
    try:
        words = shlex.split(rest.replace("\\$", "\\\\$"))  # an escaped dollar is for the substitution
    except ValueError:
        words = rest.split()
    return [(k, v) for k, found, v in (w.partition("=") for w in words) if found]


def _expand(text: str, variables: Mapping[str, str]) -> str:
    def one(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not name:
            return "$"
        known = variables.get(name, "")
        if match[3] == "-":
            return known or match[4]
        return (match[4] if known else "") if match[3] == "+" else known

    return _VARIABLE.sub(one, text)


def _unquote(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
