"""Render as the runtime ``compose`` does, with this tool's findings. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from stagecraft_compose import policies, services
from stagecraft_compose.render import ComposeRenderer
from stagecraft_hookspecs.runtime import Deployment, Draft, Order, Policy, Service
from stagecraft_hookspecs.values import Finding, Severity

from stagecraft_docker_rollout.config import Config

#: The label by which the tool finds a hook in the containers that it is about to stop.
HOOK_LABEL = "docker-rollout.pre-stop-hook"


class DockerRolloutRenderer(ComposeRenderer):
    """Render for Docker Compose and the docker-rollout tool."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(Config() if config is None else config)

    def render(self, deployment: Deployment) -> Draft:
        """Draft files, policies and findings."""
        draft = super().render(deployment)
        rolled = {name for name, policy in draft.policies.items() if policy.order is Order.START_FIRST}
        kept = [f for f in draft.findings if f.code != "no-healthcheck" or not rolled & set(f.services)]
        own = [f for s in deployment.services if s.name in rolled for f in _findings(s, self.config)]
        findings = tuple(sorted([*kept, *own], key=lambda f: (f.services, f.code, f.message)))
        return attrs.evolve(
            draft, findings=findings, policies={name: _named(policy) for name, policy in draft.policies.items()}
        )


def _named(policy: Policy) -> Policy:
    """Return a policy whose reason says which command replaces the service."""
    tool = "docker rollout" if policy.order is Order.START_FIRST else "docker compose up"
    return attrs.evolve(policy, reason=f"{policy.reason} ({tool})")


def _findings(service: Service, config: Config) -> Iterator[Finding]:
    path = ("services", service.name)
    if services.healthcheck(service.definition) is None:
        yield Finding(
            "rollout-without-healthcheck",
            Severity.WARNING,
            f"{service.name}: has no healthcheck, so docker rollout waits {config.wait:g} s and stops the old containers "
            "whether the new ones work or not",
            "add a healthcheck to the compose file",
            (service.name,),
            (*path, "healthcheck"),
        )
    labels = service.definition.get("labels") or {}
    if not config.pre_stop_hook and HOOK_LABEL not in str(labels):
        yield Finding(
            "rollout-without-drain",
            Severity.INFO,
            f"{service.name}: a proxy may send requests to the old containers while docker rollout stops them",
            f"set pre_stop_hook, or the label {HOOK_LABEL}, to a command that makes the healthcheck fail and waits",
            (service.name,),
            (*path, "labels"),
        )


def replaces_by_tool(definition: Any, policy: Policy | None) -> bool:
    """Tell whether a service is replaced by the tool: start-first, and nothing in it allows only one container."""
    finds = policies.obstacles(Service("", definition), ())
    return policy is not None and policy.order is Order.START_FIRST and not finds
