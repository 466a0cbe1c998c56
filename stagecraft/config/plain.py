"""Turn the resolved configuration into plain data that can be printed and stored: sorted, and without secrets."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from stagecraft.config import shapes
from stagecraft.config.fill import Filled
from stagecraft.config.scalars import Share

if TYPE_CHECKING:
    from stagecraft.config.model import Chosen, Config, DatabaseConfig

MASK = "<masked>"

_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):([^\s/]+)@")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)", re.ASCII)


def config_to_dict(config: Config) -> dict[str, Any]:
    """Return a configuration in the shape of stagecraft.yml, provider blocks in full form, secrets masked."""
    known = secret_values(config)
    hosts: dict[str, list[Any]] = {}
    for host in config.hosts:
        entry = {"name": host.name, "address": host.address, "user": host.user, "port": host.port}
        for role in host.roles:
            hosts.setdefault(role, []).append({k: v for k, v in entry.items() if v not in ("", 22)})
    account = config.account  # its password is the name of a secret, and may be shown
    registry = attrs.asdict(account) if account else config.registry
    project = {"name": config.project, **({"registry": registry} if registry else {})}
    return {
        "environment": config.environment,
        "project": project,
        "compose": list(config.compose_files),
        "profiles": list(config.profiles),
        "plugins": list(config.plugins),
        "env_file": list(config.env_files),
        **{kind: _block(chosen, known) for kind, chosen in sorted(config.providers.items())},
        "hosts": dict(sorted(hosts.items())),
        "services": plain(config.services),
        "databases": {name: _database(database, known) for name, database in sorted(config.databases.items())},
        "rollout": plain(config.rollout),
        "dev": plain(config.dev),
    }


def plain(value: Any, secret: bool = False, known: Collection[str] = ()) -> Any:
    """Return a value as JSON-like data; strings that are a secret, or hold a `known` one, are masked."""
    if isinstance(value, Share):
        return str(value) if value.percent else value.amount
    if attrs.has(type(value)):
        found = {f.key: (getattr(value, f.attribute.name), f.secret) for f in shapes.fields(type(value))}
        return {k: plain(v, s, known) for k, (v, s) in found.items() if v is not None}
    if isinstance(value, Mapping):
        return {str(k): plain(v, secret or shapes.looks_secret(str(k)), known) for k, v in sorted(value.items())}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(v, secret, known) for v in value), key=str)
    if isinstance(value, (list, tuple)):
        return [plain(v, secret, known) for v in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return _string(value, secret, known)
    return MASK if secret and isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _string(value: str, secret: bool, known: Collection[str]) -> str:
    # A short value may stand in another by chance; a long one does not.
    if (secret and value) or value in known or any(len(k) > 7 and k in value for k in known):
        return MASK
    return _URL_PASSWORD.sub(rf"\1:{MASK}@", value) if "://" in value else value


def secret_values(config: Config) -> frozenset[str]:
    """Return the values that came into a configuration from variables whose names say that they are secrets. Never print them."""
    tree = config._tree
    return frozenset(_secret_values([tree.data, tree.blocks])) if tree else frozenset()


def _secret_values(data: Any) -> Iterator[str]:
    """Yield every string that came from a variable whose name says that it is a secret."""
    if isinstance(data, Filled):
        if data and any(shapes.looks_secret(name) for name in _VARIABLE.findall(data.template)):
            yield str(data)
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _secret_values(value)
    elif isinstance(data, list):
        for value in data:
            yield from _secret_values(value)


def _block(chosen: Chosen, known: Collection[str]) -> dict[str, Any]:
    return {"provider": chosen.name, "providers": {chosen.name: plain(chosen.config, known=known)}}


def _database(database: DatabaseConfig, known: Collection[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"connection_env": database.connection_env}
    if database.service:
        found["service"] = database.service
    if database.via:
        found["via"] = database.via
    if database.engine is not None:
        own = {"engine": database.engine.name, "strategy": database.strategy.value}
        found["migrations"] = {**own, **plain(database.engine.config, known=known)}
    return found
