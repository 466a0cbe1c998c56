"""What is rendered for the swarm, and what a user is told before a deploy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.doubles import MemoryFolder
from stagecraft_hookspecs.runtime import Deployment, Draft, Order, Service, Update
from stagecraft_hookspecs.values import Host, Image
from stagecraft_swarm import stackfile
from stagecraft_swarm.runtime import Swarm

HOSTS = (Host("a"), Host("b"))
CHECK = {"test": ["CMD", "true"], "interval": "1s", "start_interval": "100ms"}


def deployment(definition: dict[str, Any], replicas: int = 1, order: Order | None = None) -> Deployment:
    service = Service("web", definition, ("a", "b"), replicas, Image("shop/web"), None, Update(order))
    folder = MemoryFolder({"app.ini": "x", "conf/a": "1", "conf/sub/b": "2"})
    return Deployment("shop", "prod", (service,), HOSTS, {}, folder, "", "/srv/shop")


def draft(definition: dict[str, Any], **more: Any) -> Draft:
    return Swarm.Renderer(None).render(deployment(definition, **more))


def stack(definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    return dict(json.loads(draft(definition, **more).files["a"]["stack.json"].data))


def complete(rendered: dict[str, Any], **changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "images": {"web": "sha256:1"},
        "objects": {},
        "reveal": lambda text: text.replace("<secret:T>", "s$cret"),
        "serving": {},
        "release_id": "rel-2",
        "api": (1, 45),
    }
    return stackfile.complete(rendered, **{**known, **changes})


def test_one_per_host_is_global_and_several_are_spread() -> None:
    assert stack({})["services"]["web"]["deploy"]["mode"] == "global"
    several = stack({}, replicas=2)["services"]["web"]["deploy"]
    assert (several["mode"], several["replicas"]) == ("replicated", 4)


def test_the_older_schema_gets_numbers_and_texts_where_it_wants_them() -> None:
    web = stack(
        {
            "ports": [{"target": 80, "published": "8080", "mode": "ingress", "name": "http", "app_protocol": "http"}],
            "deploy": {"resources": {"limits": {"cpus": 0.5, "memory": "1048576"}}},
            "extra_hosts": ["db=10.0.0.1"],
            "configs": [{"source": "c", "target": "/c", "mode": "0440"}],
            "volumes": [{"type": "bind", "source": "/x", "target": "/y", "bind": {"create_host_path": True}}],
            "tmpfs": ["/run:size=1m"],
        }
    )["services"]["web"]
    assert web["ports"] == [{"target": 80, "protocol": "tcp", "published": 8080, "mode": "ingress"}]
    assert web["deploy"]["resources"]["limits"] == {"cpus": "0.5", "memory": "1048576"}
    assert web["extra_hosts"] == ["db:10.0.0.1"]
    assert web["configs"] == [{"source": "c", "target": "/c", "mode": 0o440}]
    assert web["volumes"] == [
        {"type": "bind", "source": "/x", "target": "/y"},
        {"type": "tmpfs", "target": "/run"},
    ]


def test_update_settings_pass_and_silence_is_filled() -> None:
    silent = stack({"healthcheck": CHECK})["services"]["web"]["deploy"]["update_config"]
    assert silent == {"order": "start-first", "failure_action": "pause", "monitor": "0.5s"}
    given = {"parallelism": 2, "delay": "3s", "monitor": "9s", "failure_action": "rollback", "max_failure_ratio": 0.5}
    deploy = {"update_config": given, "rollback_config": {"order": "stop-first"}}
    told = stack({"deploy": deploy})["services"]["web"]["deploy"]
    assert told["update_config"] == {**given, "order": "start-first"}
    assert told["rollback_config"] == {"order": "stop-first"}


@pytest.mark.parametrize(
    ("restart", "policy"),
    [
        ("no", {"condition": "none"}),
        ("always", {"condition": "any"}),
        ("unless-stopped", {"condition": "any"}),
        ("on-failure:3", {"condition": "on-failure", "max_attempts": 3}),
        (None, None),
    ],
)
def test_restart_becomes_a_restart_policy(restart: str | None, policy: dict[str, Any] | None) -> None:
    assert stack({"restart": restart})["services"]["web"]["deploy"].get("restart_policy") == policy


def test_files_of_the_project_become_configs() -> None:
    mounts = [
        {"type": "bind", "source": "/srv/shop/app.ini", "target": "/etc/app.ini", "read_only": True},
        {"type": "bind", "source": "/srv/shop/conf", "target": "/etc/conf", "read_only": True},
    ]
    made = draft({"volumes": mounts})
    web = json.loads(made.files["b"]["stack.json"].data)["services"]["web"]
    assert sorted(c["target"] for c in web["configs"]) == ["/etc/app.ini", "/etc/conf/a", "/etc/conf/sub/b"]
    contents = {f"configs/{c['source']}" for c in web["configs"]}
    assert contents == {path for path in made.files["b"] if path.startswith("configs/")}
    assert "volumes" not in web


def test_what_is_deployed_survives_the_interpolation_of_docker_stack() -> None:
    done = complete(stack({"environment": {"PRICE": "$5", "T": "<secret:T>"}, "command": ["echo", "$HOME"]}))
    web = json.loads(stackfile.deployable(done))["services"]["web"]
    assert web["environment"] == {"PRICE": "$$5", "T": "s$$cret"}
    assert web["command"] == ["echo", "$$HOME"]
    assert "node.labels.stagecraft.shop-prod.web==true" in web["deploy"]["placement"]["constraints"]


def test_what_is_unchanged_says_the_same_as_before() -> None:
    rendered = stack({"environment": {"A": "1"}})
    first = complete(rendered)
    labels = first["services"]["web"]["labels"]
    serving = {"web": (labels["io.stagecraft.fingerprint"], "rel-1")}
    assert complete(rendered, serving=serving)["services"]["web"]["labels"]["io.stagecraft.release"] == "rel-1"
    changed = complete(stack({"environment": {"A": "2"}}), serving=serving)
    assert changed["services"]["web"]["labels"]["io.stagecraft.release"] == "rel-2"
    scaled = complete(stack({"environment": {"A": "1"}, "deploy": {"update_config": {"delay": "1s"}}}), serving=serving)
    assert scaled["services"]["web"]["labels"]["io.stagecraft.release"] == "rel-1"


def test_older_engines_are_spared_what_they_do_not_know() -> None:
    old = complete(stack({"healthcheck": CHECK}), api=(1, 41))
    assert old["version"] == "3.8"
    assert "start_interval" not in old["services"]["web"]["healthcheck"]
    assert complete(stack({"healthcheck": CHECK}))["services"]["web"]["healthcheck"] == CHECK


def test_rounds_follow_dependencies_among_what_changed() -> None:
    own = {name: {"needs": needs} for name, needs in {"a": ["b"], "b": ["c"], "c": [], "d": ["c"]}.items()}
    document = {"services": {name: {} for name in own}, "x-stagecraft": {"services": own}}
    assert stackfile.waves(document, {"a", "b", "d"}) == [{"b", "d"}, {"a"}]
    assert stackfile.waves(document, set()) == []


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        ({"privileged": True}, "swarm-unsupported"),
        ({"network_mode": "host"}, "swarm-unsupported"),
        ({"mem_swappiness": 1}, "swarm-ignored"),
        ({"ports": [{"target": 80, "published": "80", "host_ip": "127.0.0.1"}]}, "swarm-port-address"),
        ({"ports": [{"target": 80, "published": "80-90"}]}, "swarm-port-range"),
        ({"ports": [{"target": 80, "published": "80", "mode": "ingress"}]}, "swarm-ingress"),
        ({"ports": [{"target": 80, "published": "80", "mode": "host"}]}, "start-first-host-port"),
        ({"volumes": [{"type": "volume", "source": "d", "target": "/d"}]}, "swarm-local-volume"),
        ({"volumes": [{"type": "bind", "source": "/srv/shop/conf", "target": "/d"}]}, "swarm-project-mount"),
        ({"command": ["<secret:T>"]}, "secret-outside-environment"),
        ({"environment": {"T": "<secret:T>"}}, "swarm-secret-environment"),
        ({"x-stagecraft": {"order": "both"}}, "unknown-order"),
        ({}, "no-healthcheck"),
    ],
)
def test_findings(definition: dict[str, Any], code: str) -> None:
    found = {f.code: f for f in draft(definition).findings}
    assert code in found
    assert found[code].hint and found[code].services == ("web",)


def test_a_plain_service_is_told_nothing() -> None:
    quiet = {"image": "x", "command": None, "healthcheck": CHECK, "networks": {"default": None}, "privileged": False}
    assert draft(quiet).findings == ()


def test_asking_for_what_cannot_be_is_an_error() -> None:
    port = {"ports": [{"target": 80, "published": "80", "mode": "host"}]}
    found = {f.code: str(f.severity) for f in draft(port, order=Order.START_FIRST).findings}
    assert found["start-first-host-port"] == "error"


def test_the_sample_shop_renders_for_both_its_hosts() -> None:
    made = Swarm.Renderer(None).render(samples.deployment(MemoryFolder(samples.FILES)))
    assert made.files["app-1"] == made.files["app-2"]
    own = json.loads(made.files["app-1"]["stack.json"].data)["x-stagecraft"]["services"]
    assert own["postgres"]["hosts"] == ["app-1"]
    assert made.policies["postgres"].order is Order.STOP_FIRST
