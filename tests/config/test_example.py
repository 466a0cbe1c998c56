"""The example of the design page, unchanged, in each of its environments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import NotFound, UserError
from stagecraft_hookspecs.values import Host

from stagecraft.config import Strategy
from stagecraft.config.scalars import Share

SHOP = (Path(__file__).parent / "good" / "shop.yml").read_text()


def test_prod_is_the_base_with_its_overrides(project: Any) -> None:
    config = project.load(SHOP, "prod")
    assert (config.project, config.registry) == ("shop", "registry.example.com/shop")
    assert config.compose_files == ("docker-compose.yml",)
    assert config.env_files == (".env.prod",)
    assert config.hosts == (
        Host("app-1", roles=("app",)),
        Host("app-2", "10.0.0.12", "deploy", 2222, ("app",)),
        Host("db-1", roles=("db",)),
    )
    assert (config.rollout.soak, config.rollout.max_parallel, config.rollout.auto_undo) == (30.0, Share(50, True), True)
    assert {kind: chosen.name for kind, chosen in config.providers.items()} == {
        "backend": "generic", "frontend": "vite", "network": "tailscale", "proxy": "haproxy", "runtime": "compose",
        "state": "local",
    }  # fmt: skip


def test_provider_blocks_become_the_providers_own_configuration(project: Any) -> None:
    config = project.load(SHOP, "prod")
    backend = config.providers["backend"].config
    assert backend.service == "api"
    assert backend.dev.command == ("npm", "run", "dev")
    assert backend.dev.env == {"PORT": "4000"}
    assert backend.build.dockerfile == "Dockerfile"
    assert config.providers["network"].config.tailnet_domain == "example.ts.net"
    assert config.providers["backend"].provider().config is backend


def test_a_database_has_its_engine_with_the_engines_own_keys(project: Any) -> None:
    database = project.load(SHOP, "prod").databases["main"]
    assert (database.connection_env, database.strategy, database.service) == ("DATABASE_URL", Strategy.PRE_DEPLOY, "")
    assert (database.engine.kind, database.engine.name) == ("migration", "raw")
    assert database.engine.config.path == "migrations"


def test_services_have_roles_and_roles_have_hosts(project: Any) -> None:
    config = project.load(SHOP, "prod")
    assert (config.role_of("postgres"), config.role_of("not-listed")) == ("db", "app")
    assert [h.name for h in config.hosts_of("api")] == ["app-1", "app-2"]
    assert [h.name for h in config.hosts_of("postgres")] == ["db-1"]


def test_local_is_this_machine_with_every_role(project: Any) -> None:
    config = project.load(SHOP, "local")
    assert config.hosts == (Host("local", roles=("app", "db")),)
    assert [h.name for h in config.hosts_of("postgres")] == ["local"]
    assert config.providers["runtime"].name == "process"
    assert "proxy" not in config.providers


def test_staging_replaces_the_hosts_of_one_role(project: Any) -> None:
    assert [(h.name, h.roles) for h in project.load(SHOP, "staging").hosts] == [
        ("db-1", ("db",)),
        ("staging-1", ("app",)),
    ]


def test_the_providers_to_import_are_known_before_any_is(project: Any) -> None:
    raw = project.raw(SHOP)
    shared = {("backend", "generic"), ("frontend", "vite"), ("network", "tailscale"), ("migration", "raw")}
    assert raw.provider_names("prod") == shared | {("runtime", "compose"), ("proxy", "haproxy")}
    assert raw.provider_names("local") == shared | {("runtime", "process")}
    assert raw.provider_names() == shared | {("runtime", "compose"), ("runtime", "process"), ("proxy", "haproxy")}


def test_every_environment_is_valid(project: Any) -> None:
    assert project.all_faults(SHOP) == []


def test_several_environments_need_a_name(project: Any) -> None:
    with pytest.raises(UserError, match=r"several environments \(local, prod, staging\)") as caught:
        project.load(SHOP)
    assert "-e" in caught.value.hint


def test_an_unknown_environment_has_a_suggestion(project: Any) -> None:
    with pytest.raises(NotFound, match="no environment 'prd'; did you mean 'prod'") as caught:
        project.load(SHOP, "prd")
    assert caught.value.hint == "known: local, prod, staging"


def test_without_environments_there_is_one_called_local(project: Any) -> None:
    config = project.load("project: {name: shop}\n")
    assert (config.environment, [h.name for h in config.hosts]) == ("local", ["local"])
    with pytest.raises(NotFound):
        project.load("project: {name: shop}\n", "prod")


def test_the_only_environment_needs_no_name(project: Any) -> None:
    assert project.load("project: {name: shop}\nenvironments: {prod: {}}\n").environment == "prod"


def test_hosts_without_environments_are_used(project: Any) -> None:
    assert [h.name for h in project.load("project: {name: shop}\nhosts: {app: [one]}\n").hosts] == ["one"]


def test_marks_lead_to_the_place_that_counts(project: Any) -> None:
    config = project.load(SHOP, "prod")
    lines = SHOP.splitlines()
    assert "auto_undo" in lines[config.mark("rollout", "soak").line - 1]
    assert lines[config.mark("services", "postgres", "role").line - 1].startswith("services:")
    assert config.mark("runtime", "provider").line == lines.index("    runtime: compose") + 1
    assert "workdir" in lines[config.mark("backend", "providers", "generic", "dev", "workdir").line - 1]
