"""How single values are written, and that nothing is turned into something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecraft.config.scalars import Share, read_duration, read_path, read_share

HEAD = "project: {name: shop}\n"


@pytest.mark.parametrize(("text", "seconds"), [
    ("30s", 30.0), ("1m30s", 90.0), ("500ms", 0.5), ("2h", 7200.0), ("1d", 86400.0), ("1.5m", 90.0), ("1s500ms", 1.5),
    (30, 30.0),
    (0.25, 0.25), (0, 0.0), ("0s", 0.0), ("100ms", 0.1),
])  # fmt: skip
def test_durations(text: Any, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", [
    "", "30", "s", "30 s", "30S", "-5s", "30s1m", "1s1s", "1e3s", "soon", -1, float("nan"), float("inf"), 1e12,
    "99999999d", "\uff11s",
])  # fmt: skip
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError):
        read_duration(text)


@pytest.mark.parametrize(("text", "total", "count"), [
    (2, 10, 2), (20, 10, 10), ("50%", 10, 5), ("50%", 5, 3), ("1%", 5, 1), ("100%", 7, 7), ("34%", 3, 2),
])  # fmt: skip
def test_shares(text: Any, total: int, count: int) -> None:
    assert read_share(text).of(total) == count


@pytest.mark.parametrize("text", ["0%", "101%", "50", "-5%", "5.5%", "%", "", 0, -1, "050%"])
def test_what_is_no_share(text: Any) -> None:
    with pytest.raises(ValueError):
        read_share(text)


@given(st.integers(1, 100), st.integers(1, 500))
def test_a_share_is_never_none_and_never_more_than_all(amount: int, total: int) -> None:
    assert 1 <= Share(amount, True).of(total) <= total
    assert 1 <= Share(amount).of(total) <= total


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "~/x", "-x", "a\\..\\x", "", "a\nb", "a\0b"])
def test_paths_that_leave_the_project(path: str) -> None:
    with pytest.raises(ValueError):
        read_path(path)


@pytest.mark.parametrize(
    ("path", "clean"), [("./a", "a"), ("a//b/", "a/b"), (".", "."), (".env.prod", ".env.prod"), ("a b", "a b")]
)
def test_paths_inside(path: str, clean: str) -> None:
    assert read_path(path) == clean


#: Key, and values of every other type; each must be refused with what was expected.
WRONG = [
    ("project: {name: VALUE}", "a name", ["5", "true", "~", "[a]", "{a: b}", "1.5"]),
    ("compose: VALUE", "a path inside the project or a list of strings", ["5", "false", "~", "{a: b}"]),
    ("compose: [VALUE]", "a path inside the project", ["5", "true", "~", "[a]"]),
    ("profiles: VALUE", "a list of strings", ["5", "all", "~", "{a: b}"]),
    ("plugins: VALUE", "a list of strings", ["x", "~"]),
    ("hosts: VALUE", "a mapping", ["5", "one", "~", "[one]"]),
    ("hosts: {app: VALUE}", "a list", ["one", "5", "~", "{a: b}"]),
    ("hosts: {app: [VALUE]}", "a name or a mapping", ["5", "~", "[a]", "true"]),
    ("hosts: {app: [{name: a, port: VALUE}]}", "a port (1 to 65535)", ['"22"', "0", "65536", "22.5", "true", "~", "-1", "[1]"]),
    ("hosts: {app: [{name: a, address: VALUE}]}", "a DNS name or IP address", ["5", "~", "[a]", "true", '""', '"a b"']),
    ("hosts: {app: [{name: a, user: VALUE}]}", "a login name", ["5", "~", "true", '"-oProxyCommand=x"', '"a b"']),
    ("services: VALUE", "a mapping", ["api", "[api]", "~", "5"]),
    ("services: {api: VALUE}", "a mapping", ["app", "[app]", "~", "5"]),
    ("services: {api: {role: VALUE}}", "a name", ["5", "~", "[app]", "true"]),
    ("services: {api: {replicas: VALUE}}", "a whole number from 0", ['"2"', "2.5", "-1", "true", "[2]"]),
    ("databases: VALUE", "a mapping", ["main", "[main]", "~"]),
    ("databases: {main: {connection_env: VALUE}}", "the name of an environment variable",
     ["5", "~", '"postgres://x"', '"A B"', "[A]"]),
    ("env_file: VALUE", "a path inside the project or a list of strings", ["5", "~", "true", "{a: b}"]),
    ("rollout: VALUE", "a mapping", ["5", "~", "fast", "[1]"]),
    ("rollout: {soak: VALUE}", "a duration", ["fast", "true", "~", "[1]", "-5", '"30"']),
    ("rollout: {max_parallel: VALUE}", "a whole number from 1 or a percentage", ["0", "150%", "1.5", "true", "~", "all"]),
    ("rollout: {auto_undo: VALUE}", "true or false", ['"false"', "0", "1", "no", "~", "[true]"]),
    ("rollout: {keep: VALUE}", "a whole number from 1", ['"5"', "0", "5.7", "true", "~"]),
    ("dev: VALUE", "a mapping", ["5", "~", "[a]"]),
    ("dev: {domains: VALUE}", "a mapping", ["5", "~", "[a]", "x"]),
    ("dev: {domains: {api: VALUE}}", "a domain name", ["5", "~", '"https://x"', "[a]"]),
    ("environments: VALUE", "a mapping", ["5", "~", "[prod]", "prod"]),
    ("environments: {local: VALUE}", "a mapping", ["5", "[prod]", "prod"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected", "value"), [(line, expected, value) for line, expected, values in WRONG for value in values]
)
def test_wrong_types_are_refused_with_the_expected_one(project: Any, line: str, expected: str, value: str) -> None:
    text = line.replace("VALUE", value) + "\n"
    told = project.faults(text if line.startswith("project") else HEAD + text)
    assert len(told) == 1
    assert f": expected {expected}, got " in told[0]


@pytest.mark.parametrize("name", [
    "-h", "--help", "a b", "$(reboot)", "`id`", "a;b", "a|b", "a&b", "a>b", "../a", "a/b", "A", "é", "", "a\\tb", ".a",
    "_a", "a" * 64,
])  # fmt: skip
@pytest.mark.parametrize("place", [
    'project: {name: "NAME"}', 'hosts: {app: ["NAME"]}', 'hosts: {app: [{name: "NAME"}]}', 'hosts: {"NAME": [one]}',
    'profiles: ["NAME"]',
    'plugins: ["NAME"]', 'services: {api: {role: "NAME"}}', 'environments: {"NAME": {}}', 'databases: {"NAME": {}}',
])  # fmt: skip
def test_names_that_look_like_flags_or_shell(project: Any, place: str, name: str) -> None:
    text = place.replace("NAME", name) + "\n"
    told = project.faults(text if place.startswith("project") else HEAD + text)
    assert "expected a name" in told[0]


@pytest.mark.parametrize("name", ["-x", "--x", "a b", "$(x)", "a;b", "a/b", ""])
def test_service_names_may_have_capitals_but_no_shell(project: Any, name: str) -> None:
    assert project.load(HEAD + "services: {API_v2: {}}\n").role_of("API_v2") == "app"
    assert "expected a service's name" in project.faults(HEAD + f'services: {{"{name}": {{}}}}\n')[0]


@pytest.mark.parametrize(
    "registry", ["https://r.example.com/x", "r.example.com/x:tag", "-r", "r.example.com/../x", "R.example.com"]
)
def test_registries(project: Any, registry: str) -> None:
    assert project.load("project: {name: a, registry: 'localhost:5000/x/y'}\n").registry == "localhost:5000/x/y"
    assert "expected a registry" in project.faults(f"project: {{name: a, registry: '{registry}'}}\n")[0]
