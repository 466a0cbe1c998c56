"""Make random compose projects: valid and nearly valid values at every key, overrides, `extends`, `include`, env files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

ENVIRON = {"SET": "set v", "EMPTY": "", "NUMBER": "4", "FLAG": "true"}
PROFILE = "p"

_TEXTS = (
    "x", "a b", '"q"', "it's", "$SET", "${UNSET:-d}", "${UNSET-}", "$$x", "a=b", "a:b", "", "-", "é", "1", "true", "no",
    "0x10", "null", "~", "#h", "a #b", "{a}", "*a", "!a", "a\tb", "a\nb", " lead", "C:\\x", "${EMPTY:-e}", "${EMPTY-e}",
    "${SET:+alt}", "${UNSET:-${SET}}", "x${SET}y$SET-z", "2001-01-01", "1e3", "=", "<<", "key: v",
)  # fmt: skip
_SCALARS = (*_TEXTS, 1, 0, -1, 1.5, True, False, None, 1e6, 0.1, 1e21)
_GOOD = ("a", "b", "x y", "$SET", "${UNSET:-d}", "1", "v.w")
_COMMANDS: tuple[Any, ...] = (
    "echo a", 'a "b c" d', "a 'b c'", "a\\ b c", '"', "$SET x", "", "a;b", "a|b", "x > y", "a $$(b c)", "`a b`", "a'b'c\"d\"",
    '"a\\nb"', "a\nb", None, [], ["a", "b c"], ["$SET", "$$x"],
)  # fmt: skip
_TIMES = ("1s", "1m30s", "500ms", "1h", "0s", "0", "1.5h", "90s", "100us", "1h1m1.001s", "1ns", "-1s", ".5s")
_SIZES = ("1b", "64m", "1.5g", "1gb", "10k", "1KiB", "100", 5, 1024, "1 MB", "0")
_NUMBERS = (0, 1, 2, 5, "3", -1, 1.5, "$NUMBER", "${UNSET:-7}", "2.5")
_FLAGS = (True, False, "true", "false", "yes", "no", "$FLAG")
_NAMES = ("a", "b", "c")


class Maker:
    """Make values by one random source, so that a seed gives the same project everywhere."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.one = self.random.choice

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def some(self, values: tuple[Any, ...], most: int = 3) -> list[Any]:
        return [self.one(values) for _ in range(self.random.randint(0, most))]

    def part(self, chance: float, **makers: Callable[[], Any]) -> dict[str, Any]:
        return {key: make() for key, make in makers.items() if self.maybe(chance)}

    def of(self, *values: Any) -> Callable[[], Any]:
        return lambda: self.one(values)

    def number(self) -> Any:
        return self.one(_NUMBERS if self.maybe(0.1) else _NUMBERS[:5])

    def pairs(self) -> Any:
        keys = ("A", "B", "SET", "UNSET", "EMPTY", "x.y", "a b")
        if self.maybe(0.5):
            return {self.one(keys): self.one(_SCALARS) for _ in range(self.random.randint(0, 4))}
        values = [self.one(keys) + self.one(("", "=", f"={self.one(_TEXTS)}", "=a=b")) for _ in range(4)]
        return list(dict.fromkeys(values))

    def port(self) -> Any:
        if self.maybe(0.4):
            return {
                "target": self.one((80, "80", 81)),
                **self.part(
                    0.4,
                    published=self.of(80, "80", "80-90"),
                    protocol=self.of("udp", "tcp"),
                    host_ip=self.of("127.0.0.1"),
                    mode=self.of("host"),
                ),
            }
        published = self.one(("", "80:", "443:", "8000-8002:", "127.0.0.1:80:", "[::1]:81:", "0.0.0.0::"))
        return published + self.one(("80", "443", "65535", "80-82")) + self.one(("", "/udp", "/TCP"))

    def volume(self) -> Any:
        if self.maybe(0.7):
            source = self.one(("", "./a:", "../b:", "/c:", "~/d:", "v1:", "v2:", ".:", "C:\\z:"))
            options = self.one(("", "", ":ro", ":rw", ":z", ":nocopy", ":ro,Z", ":rshared", ":bogus"))
            return source + self.one(("/x", "/y/", "/z/../w", "relative", "/d d")) + (options if source else "")
        kind = self.one(("bind", "volume", "tmpfs"))
        given = {"bind": {"source": self.one(("./a", "~/c", "d"))}, "volume": {"source": "v1"}}.get(kind, {})
        return {
            "type": kind,
            "target": self.one(("/x", "/y/")),
            **given,
            **self.part(
                0.2,
                read_only=self.of(*_FLAGS),
                bind=self.of({"create_host_path": True}, {"propagation": "rslave"}),
                volume=self.of({"nocopy": True, "subpath": "s"}),
                tmpfs=self.of({"size": "1m", "mode": 448}),
            ),
        }

    def healthcheck(self) -> Any:
        tests = ("curl x", ["CMD", "a"], ["CMD-SHELL", "a b"], ["NONE"], "")
        times = {key: self.of(*_TIMES) for key in ("interval", "timeout", "start_period", "start_interval")}
        return self.part(0.4, test=self.of(*tests), retries=self.number, disable=self.of(*_FLAGS), **times)

    def rollout(self) -> Any:
        return self.part(
            0.5,
            parallelism=self.number,
            delay=self.of(*_TIMES),
            monitor=self.of(*_TIMES),
            failure_action=self.of("pause"),
            max_failure_ratio=self.of(0, 0.3, "0.5", 1),
            order=self.of("start-first", "stop-first"),
        )

    def deploy(self) -> Any:
        device = {"capabilities": ["gpu"], "count": self.one((1, "all", "2"))}
        limits = self.part(0.5, cpus=self.of("0.5", 1, 0.25), memory=self.of("64m", "1g"), pids=self.number)
        reserved = self.part(0.5, cpus=self.of("0.5", 1), memory=self.of("64m"), devices=lambda: [device])
        return self.part(
            0.4,
            replicas=self.number,
            labels=self.pairs,
            update_config=self.rollout,
            rollback_config=self.rollout,
            resources=lambda: {"limits": limits, "reservations": reserved},
            restart_policy=lambda: {"condition": "any", "delay": self.one(_TIMES), "max_attempts": self.number()},
            placement=lambda: {"constraints": ["a==b"], "max_replicas_per_node": self.number()},
        )

    def build(self) -> Any:
        if self.maybe(0.3):
            return self.one((".", "./a", "../b", "/c", "https://x/y.git", "git@x:y", "~/z"))
        return self.part(
            0.3,
            context=self.of(".", "./a", "b", "/c"),
            dockerfile=self.of("D", "../D"),
            args=self.pairs,
            labels=self.pairs,
            target=self.of("t"),
            no_cache=self.of(*_FLAGS),
            shm_size=self.of(*_SIZES),
            extra_hosts=self.of({"h": "1.1.1.1"}, ["h=1.1.1.1", "i:2.2.2.2"]),
            tags=self.of(["t", "u", "t"]),
            secrets=self.of(["s1"], [{"source": "s1", "target": "t", "mode": 256}]),
            additional_contexts=self.of({"a": "./x", "b": "docker-image://y"}, ["a=./x"]),
            ulimits=self.of({"nofile": 5}, {"nofile": {"soft": 1, "hard": 2}}),
        )

    def networks(self) -> Any:
        if self.maybe(0.5):
            return list(dict.fromkeys(self.some(("n1", "n2", "default"))))
        settings: tuple[Any, ...] = (
            None,
            {},
            {"aliases": ["a", "b", "a"]},
            {"ipv4_address": "1.2.3.4", "priority": 5},
            {"mac_address": "m"},
        )
        return {name: self.one(settings) for name in self.some(("n1", "n2", "default"))}

    def mounts(self, letter: str) -> Callable[[], Any]:
        long = {"source": f"{letter}2", "target": "/t", "uid": "1", "mode": 292}
        return lambda: self.some((f"{letter}1", f"{letter}2", {"source": f"{letter}1"}, long))

    def dependencies(self, name: str) -> Any:
        later = tuple(other for other in _NAMES if other > name)
        names = dict.fromkeys(self.some(later, 2)) if later else {}
        if self.maybe(0.5):
            return list(names)
        return {
            other: {
                "condition": "service_healthy",
                **self.part(0.3, restart=self.of(*_FLAGS), required=self.of(True, False)),
            }
            for other in names
        }

    def service(self, name: str, *, whole: bool) -> dict[str, Any]:
        makers = self.makers(name)
        keys = self.random.sample(sorted(makers), self.random.randint(0, 9))
        service = {key: makers[key]() for key in keys}
        if (whole and self.maybe(0.95)) or self.maybe(0.2):
            service["image"] = self.one(("x", "x:$SET", "y:${UNSET:-1}"))
        later = [other for other in _NAMES if other > name]
        if whole and later and self.maybe(0.2):
            extended = {"file": "base/base.yaml", "service": "base"}
            service["extends"] = self.one((later[0], {"service": later[-1]}, extended))
        return service

    def makers(self, name: str) -> dict[str, Callable[[], Any]]:
        pairs = dict.fromkeys(("environment", "labels", "annotations", "sysctls"), self.pairs)
        flags = dict.fromkeys(("init", "tty", "privileged", "read_only", "stdin_open", "attach"), self.of(*_FLAGS))
        texts = dict.fromkeys(("user", "working_dir", "hostname", "stop_signal", "runtime"), self.of(*_GOOD))
        numbers = dict.fromkeys(("cpu_shares", "pids_limit", "oom_score_adj"), self.number)
        sizes = dict.fromkeys(("mem_limit", "shm_size", "memswap_limit"), self.of(*_SIZES))
        return {
            **pairs, **flags, **texts, **numbers, **sizes,
            "ports": lambda: [self.port() for _ in range(self.random.randint(0, 4))],
            "volumes": lambda: [self.volume() for _ in range(self.random.randint(0, 4))],
            "command": self.of(*_COMMANDS), "entrypoint": self.of(*_COMMANDS),
            "healthcheck": self.healthcheck, "deploy": self.deploy, "build": self.build, "networks": self.networks,
            "secrets": self.mounts("s"), "configs": self.mounts("c"),
            "depends_on": lambda: self.dependencies(name), "links": lambda: [n for n in self.some(_NAMES, 2) if n > name],
            "cap_add": lambda: self.some(("A", "B")), "expose": lambda: self.some((80, "80", "81/udp")),
            "dns": self.of("1.1.1.1", ["1.1.1.1", "2.2.2.2", "1.1.1.1"], ""), "dns_search": self.of("x", ["x", "y"]),
            "extra_hosts": self.of({"h": "1.1.1.1"}, ["h=1.1.1.1", "h:2.2.2.2"], {"h": ["1.1.1.1", "::1"]}, ["i:[::1]"]),
            "tmpfs": self.of("/a", ["/a", "/b", "/a:size=1"]),
            "ulimits": self.of({"nofile": 5}, {"core": "6"}, {"nofile": {"soft": 1, "hard": "3"}}),
            "logging": self.of({}, {"driver": "x"}, {"driver": "y", "options": {"a": 1, "b": None}}, {"options": {"c": "d"}}),
            "stop_grace_period": self.of(*_TIMES), "restart": self.of("always", "no"),
            "cpus": self.of(0.5, "1.5", 1, "$NUMBER", 1 / 3), "scale": self.of(1, 2, "1"),
            "pull_policy": self.of("always", "if_not_present", "build"), "profiles": lambda: self.some(("p", "q"), 2),
            "devices": lambda: self.some(("/a:/b", "/c", "/d:/e:r")), "gpus": self.of("all", [{"count": 2}]),
            "group_add": self.of(["a"], [1, "b"]), "x-note": self.of(*_SCALARS), "container_name": self.of(*_GOOD),
            "env_file": self.of("e.env", ["e.env", "f.env"], [{"path": "e.env"}, {"path": "none.env", "required": False}]),
            "network_mode": self.of("host", "bridge"),
        }  # fmt: skip

    def project(self, *, whole: bool) -> dict[str, Any]:
        names = [name for name in _NAMES if whole or self.maybe(0.6)]
        bound = {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": "./d"}}
        pools = {"ipam": {"config": [{"subnet": self.one(("10.0.0.0/8", "10.1.0.0/16"))}, {"subnet": "10.2.0.0/16"}]}}
        return {
            "services": {name: self.service(name, whole=whole) for name in names},
            "volumes": {"v1": self.one((None, {}, bound, {"labels": self.pairs()}, {"name": "n_$SET"})), "v2": None},
            "networks": {
                "n1": self.one((None, pools, {"external": True, "name": "e"}, {"labels": self.pairs()})),
                "n2": {},
            },
            "secrets": {"s1": self.one(({"file": "./s"}, {"environment": "SET"})), "s2": {"external": True}},
            "configs": {"c1": self.one(({"file": "./c"}, {"content": self.one(_GOOD)})), "c2": {"file": "c"}},
            **self.part(0.2, **{"x-top": lambda: [self.one(_SCALARS), {"a": self.one(_SCALARS)}]}),
        }


def write_project(folder: Path, seed: int) -> None:
    """Write the random project of `seed` into `folder`, which must not exist."""
    make = Maker(seed)
    (folder / "base").mkdir(parents=True)
    (folder / "sub").mkdir()
    main = make.project(whole=True)
    if make.maybe(0.3):
        main["include"] = ["sub/compose.yaml"]
        included = {"services": {"inc": make.service("z", whole=True)}, "networks": {"n3": None}}
        _write(folder / "sub" / "compose.yaml", included)
    _write(folder / "compose.yaml", main)
    if make.maybe(0.4):
        _write(folder / "compose.override.yaml", make.project(whole=False))
    base = make.service("z", whole=True)
    _write(folder / "base" / "base.yaml", {"services": {"base": base}})
    for place in (folder, folder / "base", folder / "sub"):
        (place / "e.env").write_text('A=e\nNEW="x $A"\nSET\n')
        (place / "f.env").write_text("A='f'\nR=$NEW\n")


def _write(path: Path, tree: dict[str, Any]) -> None:
    path.write_text(json.dumps(tree, ensure_ascii=False, indent=1))
