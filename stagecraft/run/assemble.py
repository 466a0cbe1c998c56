"""Make the bundle of a new release, and the plan that puts a former one back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import attrs
from stagecraft_hookspecs.errors import ProviderError, Refused
from stagecraft_hookspecs.values import Operation, Phase, Release

from stagecraft.config.plain import plain
from stagecraft.machine import files
from stagecraft.plan.model import Plan
from stagecraft.plan.operations import proxy_operations
from stagecraft.run.bundle import Bundle

if TYPE_CHECKING:
    from stagecraft_hookspecs.provider import Provider
    from stagecraft_hookspecs.proxy import Proxy
    from stagecraft_hookspecs.runtime import Runtime

    from stagecraft.context import RunContext
    from stagecraft.plan.planner import Planned
    from stagecraft.project import Project

#: Where the key of the secrets' fingerprints lies, in the project's folder.
KEY = ".stagecraft/fingerprint.key"


def assemble(project: Project, planned: Planned, ctx: RunContext) -> Bundle:
    """Return the bundle of a release that is about to begin; its digests come with the build."""
    chosen = project.config.providers["runtime"]
    proxy = project.config.providers.get("proxy")
    return Bundle(
        attrs.evolve(planned.deployment, folder=None),
        chosen.name,
        plain(chosen.block),
        planned.draft.files,
        planned.draft.policies,
        {
            name: tuple({"name": m.name, "irreversible": m.irreversible} for m in project.migrations(name))
            for name, database in sorted(project.config.databases.items())
            if database.engine is not None
        },
        {
            name: f"{plugin.distribution} {plugin.version}"
            for name, plugin in sorted(project.kernel.catalog.plugins.items())
            if name in project.kernel.loaded
        },
        fingerprints(project, ctx),
        project.config.to_dict(),
        project.config.rollout.keep,
        proxy.name if proxy else "",
        plain(proxy.block) if proxy else {},
    )


def fingerprints(project: Project, ctx: RunContext) -> dict[str, str]:
    """Return a keyed hash per secret. The key stays in the project's state folder, so that a hash alone tells nothing."""
    if not project.secrets:
        return {}
    path = ctx.root / KEY
    if path.exists():
        key = files.read(path)
    else:
        import secrets

        key = secrets.token_bytes(32)
        files.write(path, key, 0o600)
    return {
        name: "hmac-sha256:" + hmac.new(key, secret.reveal().encode(), hashlib.sha256).hexdigest()[:32]
        for name, secret in sorted(project.secrets.items())
    }


def with_former(bundle: Bundle, selected: Sequence[str], former: Bundle | None) -> Bundle:
    """Return the bundle with every service that was not selected as the serving release has it.

    Raises:
        Refused: Nothing serves yet, or a service that was not selected is new.
    """
    old = {s.name: s for s in former.deployment.services} if former else {}
    services = []
    for service in bundle.deployment.services:
        if service.name in selected:
            services.append(service)
        elif service.name in old:
            services.append(old[service.name])
        else:
            raise Refused(
                f"service {service.name!r} was never deployed, so it cannot be left out",
                hint="run `stagecraft deploy` without --services once",
            )
    return attrs.evolve(bundle, deployment=attrs.evolve(bundle.deployment, services=tuple(services)))


def bundle_runtime(project: Project, bundle: Bundle) -> Runtime:
    """Return the runtime that a bundle was made for, configured as it was then."""
    return cast("Runtime", _as_then(project, bundle, "runtime", bundle.runtime, bundle.runtime_config))


def bundle_proxy(project: Project, bundle: Bundle) -> Proxy | None:
    """Return the proxy that a bundle was made for, configured as it was then; None where it has no route."""
    if not bundle.proxy or not any(s.routes for s in bundle.deployment.services):
        return None
    return cast("Proxy", _as_then(project, bundle, "proxy", bundle.proxy, bundle.proxy_config))


def _as_then(project: Project, bundle: Bundle, kind: str, name: str, block: Mapping[str, Any]) -> Provider:
    chosen = project.config.providers.get(kind)
    if chosen is not None and chosen.name == name and plain(chosen.block) == block:
        return cast("Provider", project.runtime if kind == "runtime" else project.provider(kind))
    from stagecraft.config.strict import strict_converter, structure

    cls = project.kernel.lookup(kind, name)
    faults: list[Any] = []
    config = structure(strict_converter(), dict(block), cls.Config, faults)
    if faults:
        raise ProviderError(
            f"the release's settings of {kind} {name!r} do not fit the installed version: {faults[0].message}",
            hint=f"install the version that made the release: {bundle.plugins.get(name, name)}",
        )
    with project.blamed():
        return cls(config)


def rollback_plan(bundle: Bundle, source: Release) -> Plan:
    """Return the plan that puts a bundle back: the rollout's steps and clearing away, and nothing else."""
    deployment = bundle.deployment
    missing = [s.name for s in deployment.services if s.image is not None and not s.image.digest]
    if missing:
        raise ProviderError(
            f"release {source.id} has no digest for {', '.join(missing)}", hint="choose another release"
        )
    hosts = [h.name for h in deployment.hosts]
    proxies = list(proxy_operations(deployment, bundle.proxy)) if bundle.proxy else []
    operations = [*proxies]
    for host in hosts:
        services = tuple(s.name for s in deployment.on(host))
        inputs: Mapping[str, Any] = {"release": source.id}
        operations += [
            Operation(
                f"prepare:{host}", Phase.ROLLOUT, "runtime.prepare", bundle.runtime, services, (host,), (),
                f"make {source.id} ready on {host}", inputs,
            ),
            Operation(
                f"switch:{host}", Phase.ROLLOUT, "runtime.switch", bundle.runtime, services, (host,),
                (*(f"prepare:{h}" for h in hosts), *(o.id for o in proxies)), f"make {source.id} serve on {host}", inputs,
            ),
            Operation(
                f"retire:{host}", Phase.FINALIZE, "runtime.retire", bundle.runtime, services, (host,), (),
                f"drain and stop what was replaced on {host}", inputs,
            ),
        ]  # fmt: skip
    operations.sort(key=lambda o: (o.phase is Phase.FINALIZE, o.action == "runtime.switch", o.id))
    return Plan(
        deployment.project,
        deployment.environment,
        source.version,
        bundle.runtime,
        tuple(hosts),
        (),
        tuple(operations),
        proxy=bundle.proxy,
    )
