"""Resolve the configuration of one environment: merge, read strictly, choose providers, report every fault at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecraft_hookspecs.errors import ConfigError, Mark, NotFound, Problem, StagecraftError, UserError

from stagecraft.config import checks
from stagecraft.config.assemble import BLOCK_KINDS, LOCAL_ENVIRONMENT, assemble
from stagecraft.config.faults import Fault, unknown_keys
from stagecraft.config.fill import Unset
from stagecraft.config.model import Chosen, Config, DatabaseConfig
from stagecraft.config.resolution import Classes, Resolution, unset
from stagecraft.config.settings import DatabaseSettings, RegistrySettings, Settings
from stagecraft.config.shapes import fields
from stagecraft.config.strict import strict_converter, structure

if TYPE_CHECKING:
    from stagecraft_hookspecs.provider import Provider

    from stagecraft.config.document import RawConfig

_ENGINE_KEYS = ("engine", "strategy")


def resolve(raw: RawConfig, environment: str | None, classes: Classes, defaults: Mapping[str, str]) -> Config:
    """Return the configuration of one environment.

    Args:
        environment: Its name; None takes the only one, or `local` where the file defines none.
        classes: Returns a provider's class by kind and name; raises NotFound for an unknown one. It is called for
            each provider and migration engine of the environment, with the place of its name.
        defaults: Kind to the provider that is taken where the file names none.

    Raises:
        NotFound: There is no such environment.
        UserError: There are several and none was named.
        ConfigError: Every fault of base, environment and provider blocks, each with its place.
        ProviderError, PluginFault: What `classes` raised for a plugin that cannot be used, when the file has no fault.
    """
    return _or_raise(_resolve(raw, pick(raw, environment), classes, defaults))


def resolve_base(raw: RawConfig, name: str, classes: Classes, defaults: Mapping[str, str]) -> Config:
    """Return the configuration outside of any environment, under a name of the caller's; raise ConfigError."""
    return _or_raise(_resolve(raw, name, classes, defaults, base=True))


def validate(raw: RawConfig, classes: Classes, defaults: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return every fault of every environment, sorted by place; none for a configuration without fault.

    What `classes` raises for a plugin that cannot be used is raised when the file has no fault.
    """
    found: dict[tuple[str, str], Problem] = {}
    _, base = _read_base(raw)
    for problem in base:
        found.setdefault((str(problem.where), problem.message), problem)
    broken = None
    for name in raw.environments or (LOCAL_ENVIRONMENT,):
        resolved = _resolve(raw, name, classes, defaults)
        broken = broken or resolved.broken
        for problem in resolved.problems:
            found.setdefault((str(problem.where), problem.message), problem)
    if broken and not found:
        raise broken
    first = Mark("", 0, 0)
    return tuple(sorted(found.values(), key=lambda p: (p.where or first, p.message)))


def pick(raw: RawConfig, environment: str | None) -> str:
    """Return the name of the environment to use; raise NotFound or UserError."""
    known = raw.environments or (LOCAL_ENVIRONMENT,)
    if environment is not None:
        if environment not in known:
            raise NotFound("environment", environment, known)
        return environment
    if len(known) > 1:
        message = f"there are several environments ({', '.join(known)}) and none was named"
        raise UserError(message, hint="name one with -e NAME or STAGECRAFT_ENV")
    return known[0]


class _Outcome(NamedTuple):
    config: Config | None
    problems: list[Problem]
    broken: StagecraftError | None


def _or_raise(outcome: _Outcome) -> Config:
    if outcome.problems:
        raise ConfigError(outcome.problems)
    if outcome.broken is not None:
        raise outcome.broken
    assert outcome.config is not None
    return outcome.config


def _resolve(
    raw: RawConfig, name: str, classes: Classes, defaults: Mapping[str, str], *, base: bool = False
) -> _Outcome:
    tree = assemble(raw.data, None if base else name, defaults)
    run = Resolution(raw, tree, classes, strict_converter())
    settings = _settings(run)
    providers = {}
    for kind in BLOCK_KINDS:
        provider = tree.chosen.get(kind, defaults.get(kind))
        if provider is not None:
            block = tree.blocks.get(kind, {}).get(provider, {})
            found = run.chosen(kind, provider, (kind, "provider"), block, (kind, "providers", str(provider)))
            if found is not None:
                providers[kind] = found
    engines = _engines(run, defaults)
    hosts = checks.hosts(settings, tree, run.faults)
    checks.roles(raw.data, tree, run.faults)
    checks.connections(tree, run.faults)
    problems = run.report()
    if settings is None or problems or run.broken:
        return _Outcome(None, problems, run.broken)
    return _Outcome(_config(run, name, settings, hosts, providers, engines), [], None)


def _read_base(raw: RawConfig) -> tuple[Settings | None, list[Problem]]:
    """Read what stands at the top level, also where every environment overrides it."""

    def no_class(kind: str, name: str, where: Mark | None) -> type[Provider]:
        raise AssertionError("the base is read without providers")

    run = Resolution(raw, assemble(raw.data, None), no_class, strict_converter())
    settings = _settings(run, whole=False)
    for name in raw.environments:
        run.faults.extend(_bad_name(run, name))
    return settings, [run.problem(f, f.path) for f in run.faults]


def _settings(run: Resolution, whole: bool = True) -> Settings | None:
    """Read every key but the provider blocks; the engines' own keys under `migrations` are left for the engines."""
    own = {k: v for k, v in run.tree.data.items() if not k.startswith("x-")}
    known = [field.key for field in fields(Settings)]
    run.faults.extend(unknown_keys(own, [*known, *BLOCK_KINDS, "environments"]))
    data = {k: v for k, v in own.items() if k in known}
    if whole:
        run.faults.extend(unset(data, ()))
        for name in run.raw.environments:
            run.faults.extend(_bad_name(run, name))
    if isinstance(data.get("databases"), dict):
        data["databases"] = {name: _without_engine_keys(db) for name, db in data["databases"].items()}
    settings: Settings | None = structure(run.converter, data, Settings, run.faults)
    return settings


def _bad_name(run: Resolution, name: str) -> list[Fault]:
    from stagecraft.config.scalars import Name

    found: list[Fault] = []
    structure(run.converter, {name: None}, Mapping[Name, None], found, ("environments",))
    return found


def _without_engine_keys(database: Any) -> Any:
    if not isinstance(database, dict) or not isinstance(database.get("migrations"), dict):
        return database
    return {**database, "migrations": {k: v for k, v in database["migrations"].items() if k in _ENGINE_KEYS}}


def _engines(run: Resolution, defaults: Mapping[str, str]) -> dict[str, Chosen]:
    engines = {}
    databases = run.tree.data.get("databases")
    for name, database in databases.items() if isinstance(databases, dict) else ():
        migrations = database.get("migrations") if isinstance(database, dict) else None
        engine = migrations.get("engine") if isinstance(migrations, dict) else None
        if not isinstance(migrations, dict) or not isinstance(engine, str) or isinstance(engine, Unset):
            continue
        at = ("databases", name, "migrations")
        block = {k: v for k, v in migrations.items() if k not in _ENGINE_KEYS}
        found = run.chosen("migration", engine, (*at, "engine"), block, at)
        if found is not None:
            engines[name] = found
    return engines


def _config(
    run: Resolution, name: str, settings: Settings, hosts: Any, providers: dict[str, Chosen], engines: dict[str, Chosen]
) -> Config:
    def database(key: str, found: DatabaseSettings) -> DatabaseConfig:
        strategy = {"strategy": found.migrations.strategy} if found.migrations else {}
        return DatabaseConfig(
            key, found.connection_env, found.service or "", engines.get(key), via=found.via or "", **strategy
        )

    registry = settings.project.registry
    return Config(
        path=run.raw.path,
        root=run.raw.root,
        environment=name,
        project=settings.project.name,
        hosts=hosts,
        registry=registry.url if isinstance(registry, RegistrySettings) else registry or "",
        account=registry if isinstance(registry, RegistrySettings) else None,
        compose_files=_tuple(settings.compose),
        profiles=settings.profiles,
        plugins=tuple(sorted(set(settings.plugins))),
        env_files=_tuple(settings.env_file),
        services=dict(sorted(settings.services.items())),
        databases={k: database(k, v) for k, v in sorted(settings.databases.items())},
        providers=dict(sorted(providers.items())),
        rollout=settings.rollout,
        dev=settings.dev,
        tree=run.tree,
        document=run.raw.document,
    )


def _tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
