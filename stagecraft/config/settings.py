"""What stagecraft.yml may say besides provider blocks: the classes that it is read into and its schema is made of.

Those that only carry values from the file to `Config` have neither equality nor repr: generating these costs start-up time.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from stagecraft.config.scalars import (
    Address,
    Count,
    Domain,
    Duration,
    Name,
    Port,
    ProjectPath,
    Registry,
    Replicas,
    ServiceName,
    Share,
    Size,
    UrlPath,
    User,
    Variable,
)


class Strategy(enum.StrEnum):
    """Say when a database's migrations run: before the rollout, after it, or only by `stagecraft migrate`."""

    PRE_DEPLOY = "pre_deploy"
    POST_DEPLOY = "post_deploy"
    MANUAL = "manual"


@attrs.frozen
class RegistrySettings:
    """Name a registry and an account of it; without an account, what `docker login` left on this machine counts."""

    url: Registry = attrs.field(metadata={"help": "where images are pushed"})
    username: str = attrs.field(metadata={"help": "the account that pushes and pulls"})
    password: Variable = attrs.field(metadata={"help": "the name of the secret that holds its password or token"})


@attrs.frozen(eq=False, repr=False)
class ProjectSettings:
    """Name the project."""

    name: Name = attrs.field(metadata={"help": "the project's name"})
    registry: Registry | RegistrySettings | None = attrs.field(
        default=None, metadata={"help": "where images are pushed; without one they travel over SSH"}
    )


@attrs.frozen
class HostSettings:
    """Name a host and how to reach it."""

    name: Name = attrs.field(metadata={"help": "the host's name, unique in the environment"})
    address: Address | None = attrs.field(default=None, metadata={"help": "DNS name or IP address; default: the name"})
    user: User | None = attrs.field(default=None, metadata={"help": "login user; default: what SSH would take"})
    port: Port | None = attrs.field(default=None, metadata={"help": "SSH port; default: 22"})


class Tls(enum.StrEnum):
    """Say where a route's certificate comes from: there is none, files of the project, or an ACME server."""

    OFF = "off"
    GIVEN = "given"
    ACME = "acme"


@attrs.frozen
class RouteSettings:
    """Say which requests a proxy sends to a service."""

    domains: tuple[Domain, ...] = attrs.field(default=(), metadata={"help": "host names; default: any"})
    path: UrlPath = attrs.field(default=UrlPath("/"), metadata={"help": "prefix of the paths"})
    strip: bool = attrs.field(default=False, metadata={"help": "remove the prefix before forwarding"})
    port: Port | None = attrs.field(
        default=None,
        metadata={"help": "port on which the service listens; default: the one that it publishes or exposes"},
    )
    listen: Port | None = attrs.field(
        default=None,
        metadata={
            "help": "port of the host; default: 443 with TLS, 80 with domains, else the one that the service publishes"
        },
    )
    tls: Tls = attrs.field(default=Tls.OFF, metadata={"help": "where the certificate comes from"})
    certificate: ProjectPath | None = attrs.field(
        default=None, metadata={"help": "with `tls: given`, the certificate with its chain, PEM"}
    )
    key: ProjectPath | None = attrs.field(default=None, metadata={"help": "with `tls: given`, its private key, PEM"})
    redirect_http: bool = attrs.field(
        default=True, metadata={"help": "with TLS, answer on port 80 with a redirect to https"}
    )
    redirect_from: tuple[Domain, ...] = attrs.field(
        default=(), metadata={"help": "host names that are redirected to the first of `domains`"}
    )
    check: UrlPath | None = attrs.field(
        default=None, metadata={"help": "path that answers below 400 when the service is well"}
    )
    max_body: Size | None = attrs.field(default=None, metadata={"help": "largest body of a request"})
    timeout: Duration = attrs.field(
        default=Duration(0.0), metadata={"help": "how long the service may take to begin its answer"}
    )
    idle: Duration = attrs.field(
        default=Duration(0.0), metadata={"help": "how long an open stream or WebSocket may be silent"}
    )
    page: ProjectPath | None = attrs.field(
        default=None, metadata={"help": "HTML file that is shown while nothing serves"}
    )


@attrs.frozen
class ServiceSettings:
    """Say where a compose service runs."""

    role: Name = attrs.field(default=Name("app"), metadata={"help": "the role whose hosts run it"})
    replicas: Replicas | None = attrs.field(
        default=None, metadata={"help": "instances per host; default: `deploy.replicas` of the compose file, or 1"}
    )
    proxy: bool | RouteSettings | tuple[RouteSettings, ...] | None = attrs.field(
        default=None,
        metadata={
            "help": "what the environment's proxy sends to it; `false`: nothing; default: its published HTTP ports"
        },
    )


@attrs.frozen(eq=False, repr=False)
class MigrationSettings:
    """Choose a migration engine; its own keys stand beside these."""

    engine: Name = attrs.field(metadata={"help": "the migration engine"})
    strategy: Strategy = attrs.field(default=Strategy.PRE_DEPLOY, metadata={"help": "when the migrations run"})


@attrs.frozen(eq=False, repr=False)
class DatabaseSettings:
    """Describe a database and how it is migrated."""

    connection_env: Variable = attrs.field(
        default=Variable("DATABASE_URL"), metadata={"help": "the environment variable that holds the connection URL"}
    )
    service: ServiceName | None = attrs.field(
        default=None, metadata={"help": "the compose service that it is, if it is one"}
    )
    via: Name | None = attrs.field(
        default=None,
        metadata={
            "help": "the host, or the role whose first host, from which it is reached; "
            "default: its service's host, or this machine"
        },
    )
    migrations: MigrationSettings | None = attrs.field(default=None, metadata={"help": "how its schema is migrated"})


@attrs.frozen
class Rollout:
    """Say how a release takes over.

    Attributes:
        soak: Seconds to watch the new instances before the old ones are retired.
        max_parallel: How many hosts are worked on at once.
        auto_undo: Whether a failed rollout is undone.
        keep: How many releases stay ready for a rollback.
    """

    soak: Duration = attrs.field(
        default=Duration(0.0), metadata={"help": "how long to watch the new instances before the old ones are retired"}
    )
    max_parallel: Share = attrs.field(
        default=Share(100, True), metadata={"help": "how many hosts are worked on at once, as a number or a percentage"}
    )
    auto_undo: bool = attrs.field(default=True, metadata={"help": "undo a failed rollout"})
    keep: Count = attrs.field(default=Count(5), metadata={"help": "how many releases stay ready for a rollback"})


@attrs.frozen
class DevSettings:
    """Configure `stagecraft dev`."""

    domains: Mapping[ServiceName, Domain] = attrs.field(
        factory=dict, metadata={"help": "service to the domain under which it is reached while developing"}
    )


@attrs.frozen(eq=False, repr=False)
class OverridableSettings:
    """Hold the keys that stand at the top level and that an environment may override."""

    compose: ProjectPath | tuple[ProjectPath, ...] = attrs.field(
        default=(), metadata={"help": "compose files, later over earlier; default: the names Docker Compose looks for"}
    )
    profiles: tuple[Name, ...] = attrs.field(default=(), metadata={"help": "compose profiles to switch on"})
    hosts: Mapping[Name, tuple[Name | HostSettings, ...]] = attrs.field(
        factory=dict, metadata={"help": "role to its hosts; without any, everything runs on this machine"}
    )
    services: Mapping[ServiceName, ServiceSettings] = attrs.field(
        factory=dict, metadata={"help": "compose service to where it runs"}
    )
    databases: Mapping[Name, DatabaseSettings] = attrs.field(
        factory=dict, metadata={"help": "databases and their migrations"}
    )
    env_file: ProjectPath | tuple[ProjectPath, ...] = attrs.field(
        default=(), metadata={"help": "files with the environment's variables and secrets"}
    )
    rollout: Rollout = attrs.field(factory=Rollout, metadata={"help": "how a release takes over"})


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings(OverridableSettings):
    """Hold every key of the top level but `environments` and the provider blocks."""

    project: ProjectSettings = attrs.field(metadata={"help": "the project"})
    dev: DevSettings = attrs.field(factory=DevSettings, metadata={"help": "the development stack"})
    plugins: tuple[Name, ...] = attrs.field(
        default=(), metadata={"help": "plugins to load besides those of the providers named here"}
    )
