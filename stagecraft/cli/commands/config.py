"""``stagecraft config``: the resolved configuration, all its faults, its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.commands import CommandLine

if TYPE_CHECKING:
    from stagecraft.cli.session import Session


def show(flags: Mapping[str, Any], session: Session) -> int:
    """Print the configuration of one environment, secrets masked."""
    document = session.config.to_dict()
    if session.json:
        session.emit(document)
    else:
        import yaml

        session.say(yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip())
    return 0


def validate(flags: Mapping[str, Any], session: Session) -> int:
    """Report every fault of the configuration and of the compose file as each environment sees it."""
    from stagecraft_hookspecs.errors import ConfigError

    from stagecraft.loading import faults_of

    problems = faults_of(session.raw, session.kernel)
    if problems:
        raise ConfigError(problems)
    if session.json:
        session.emit({"faults": []})
    else:
        session.say(f"{session.raw.path.name} has no fault")
    return 0


def schema(flags: Mapping[str, Any], session: Session) -> int:
    """Print the JSON Schema of stagecraft.yml with the installed providers."""
    from stagecraft.config import schema as make_schema
    from stagecraft.kernel import KINDS

    session.kernel.load_all()
    classes = {kind: {name: p.cls for name, p in session.kernel.provided(kind).items()} for kind in KINDS}
    session.sink.emit(make_schema(classes), sort=True)
    return 0


COMMANDS = (
    CommandLine(
        "config show", "Print the resolved configuration, secrets masked", show, exit_codes={0: "printed", 1: "faults"}
    ),
    CommandLine(
        "config validate",
        "Report every fault of every environment, each with its place",
        validate,
        exit_codes={0: "no fault", 1: "faults, each printed"},
    ),
    CommandLine(
        "config schema", "Print the JSON Schema of stagecraft.yml, for editors", schema, exit_codes={0: "printed"}
    ),
)
