"""A project folder with a configuration, and providers that exist for these tests only."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from stagecraft_hookspecs.errors import ConfigError, Mark, NotFound
from stagecraft_hookspecs.provider import Provider

from stagecraft.config import Config, RawConfig, read, resolve, schema, validate


@attrs.frozen
class DevBlock:
    command: tuple[str, ...] = ()
    workdir: str = "."
    env: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class BuildBlock:
    context: str = "."
    dockerfile: str = "Dockerfile"


@attrs.frozen
class GenericConfig:
    service: str = attrs.field(default="", metadata={"help": "the compose service"})
    dev: DevBlock = DevBlock()
    build: BuildBlock | None = None


@attrs.frozen
class ViteConfig:
    service: str = "web"
    dev: DevBlock = DevBlock()


@attrs.frozen
class TailscaleConfig:
    auth_key_env: str = attrs.field(metadata={"help": "variable with the auth key"})
    tailnet_domain: str


@attrs.frozen
class RawSqlConfig:
    path: str = attrs.field(default="./migrations", metadata={"format": "path"})
    lock_timeout: float = attrs.field(default=5.0, metadata={"format": "duration"})


@attrs.frozen
class CommandConfig:
    command: tuple[str, ...] = attrs.field(metadata={"help": "what to run"})
    service: str = "api"
    timeout: float = attrs.field(default=600.0, metadata={"format": "duration"})


@attrs.frozen
class LocalStateConfig:
    keep_log: bool = False


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "green"


@attrs.frozen
class Part:
    size: int
    name: str = "part"


@attrs.frozen
class EverythingConfig:
    """One field of every shape that a provider's configuration can have."""

    text: str = "x"
    number: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    ratio: float = 0.5
    flag: bool = False
    maybe: str | None = None
    either: str | tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    numbers: list[int] = attrs.field(factory=list)
    table: Mapping[str, int] = attrs.field(factory=dict)
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    colour: Colour = Colour.RED
    level: Literal["low", "high"] = "low"
    port: int = attrs.field(default=80, metadata={"format": "port"})
    wait: float = attrs.field(default=1.0, metadata={"format": "duration"})
    api_token: str = ""
    hidden: str = attrs.field(default="", metadata={"secret": True})
    anything: Any = None

    def __attrs_post_init__(self) -> None:
        if self.number > 100 and self.flag:
            raise ValueError("a number over 100 cannot have the flag")


def make(kind_name: str, config: type[Any]) -> type[Provider]:
    return type("Fake", (Provider,), {"name": kind_name, "Config": config, "__doc__": f"Stand for {kind_name}."})


CLASSES: dict[str, dict[str, type[Provider]]] = {
    "backend": {"generic": make("generic", GenericConfig), "everything": make("everything", EverythingConfig)},
    "frontend": {"vite": make("vite", ViteConfig), "generic": make("generic", GenericConfig)},
    "network": {"tailscale": make("tailscale", TailscaleConfig), "none": make("none", Provider.Config)},
    "runtime": {"process": make("process", Provider.Config), "compose": make("compose", Provider.Config)},
    "proxy": {"haproxy": make("haproxy", Provider.Config)},
    "state": {"local": make("local", LocalStateConfig)},
    "migration": {"raw": make("raw", RawSqlConfig), "command": make("command", CommandConfig)},
    "secrets": {}, "cloud": {}, "ci": {},
}  # fmt: skip
DEFAULTS = {"state": "local", "runtime": "compose"}


def classes(kind: str, name: str, where: Mark | None) -> type[Provider]:
    known = CLASSES[kind]
    if name not in known:
        raise NotFound(f"{kind} provider", name, known, where=where)
    return known[name]


@attrs.frozen
class Project:
    """A project's folder. `faults` returns what a user would read, and insists that each fault has a place and a hint."""

    root: Path
    classes: Any = attrs.field(default=classes, repr=False)
    known: Any = attrs.field(factory=lambda: CLASSES, repr=False)

    def write(self, text: str | bytes, name: str = "stagecraft.yml") -> Path:
        path = self.root / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def raw(
        self, text: str | bytes, name: str = "stagecraft.yml", environ: Mapping[str, str] | None = None
    ) -> RawConfig:
        return read(self.write(text, name), environ or {})

    def load(
        self, text: str | bytes, environment: str | None = None, name: str = "stagecraft.yml", **environ: str
    ) -> Config:
        return resolve(self.raw(text, name, environ), environment, classes, DEFAULTS)

    def faults(
        self, text: str | bytes, environment: str | None = None, name: str = "stagecraft.yml", **environ: str
    ) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(text, environment, name, **environ)
        return self.told(caught.value.problems)

    def all_faults(self, text: str, **environ: str) -> list[str]:
        return self.told(validate(self.raw(text, environ=environ), classes, DEFAULTS))

    @staticmethod
    def told(problems: Any) -> list[str]:
        assert all(p.where is not None and p.hint for p in problems)
        return [str(p).removeprefix("stagecraft.yml:") for p in problems]


@pytest.fixture(scope="session")
def known() -> dict[str, dict[str, type[Provider]]]:
    return CLASSES


@pytest.fixture(scope="session")
def schema_of_known() -> Any:
    import jsonschema  # type: ignore[import-untyped]

    made = schema(CLASSES)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
