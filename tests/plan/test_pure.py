"""A plan is a function of the project's files and what was asked, and of nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[1] / "golden" / "shop"
COMMAND = str(Path(sys.executable).with_name("stagecraft"))


def run(folder: Path, *argv: str, code: int = 0, prefix: tuple[str, ...] = (), **variables: str) -> str:
    """Run `stagecraft ARGV` and return what it printed, stdout first."""
    shell = {k: v for k, v in os.environ.items() if not k.startswith("STAGECRAFT_")}
    done = subprocess.run(
        [*prefix, COMMAND, *argv], cwd=folder, env={**shell, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT, tmp_path / "shop"))


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("environment", ["local", "staging", "prod"])
def test_it_starts_nothing_connects_nowhere_and_writes_nothing(shop: Path, tmp_path: Path, environment: str) -> None:
    trace = tmp_path / "trace"
    calls = "trace=%process,%network,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,truncate,ftruncate"
    prefix = ("strace", "-f", "-qq", "-o", str(trace), "-e", calls)
    run(shop, "plan", "-e", environment, code=environment == "local", prefix=prefix)
    run(shop, "plan", "-e", environment, code=environment == "local", prefix=prefix)  # by now every module is compiled
    found = []
    for line in trace.read_text().splitlines():
        call = line.split(maxsplit=1)[1]
        writing = any(flag in call for flag in ("O_WRONLY", "O_RDWR", "O_CREAT")) and "/dev/" not in call
        executing = call.startswith(("execve", "clone", "fork", "vfork")) and COMMAND not in call
        touching = call.startswith(("socket", "connect", "mkdir", "rename", "unlink", "truncate", "ftruncate", "creat"))
        if writing or executing or touching:
            found.append(call)
    assert found == []
    assert not (shop / ".stagecraft").exists()


FORMS = [("plan", "-e", "prod"), ("plan", "-e", "prod", "--json"), ("plan", "-e", "prod", "--format", "mermaid")]


@pytest.mark.parametrize("line", FORMS)
def test_the_same_files_give_the_same_bytes(shop: Path, tmp_path: Path, line: tuple[str, ...]) -> None:
    wanted = run(shop, *line)
    assert run(shop, *line, PYTHONHASHSEED="1") == run(shop, *line, PYTHONHASHSEED="2") == wanted
    for path in shop.rglob("*"):
        os.utime(path, (1, 1))
    assert run(shop, *line) == wanted, "times of files mean nothing"
    assert run(shop / "api", *line) == wanted, "the folder below the project means nothing"
    assert run(tmp_path, *line, "--config", "shop/stagecraft.yml") == wanted, "nor does the one above it"
    other = Path(shutil.copytree(shop, tmp_path / "elsewhere" / "of another name"))
    assert run(other, *line) == wanted, "where the project lies means nothing"
    (shop / "link").symlink_to(shop)
    assert run(shop / "link", *line) == wanted
    assert run(shop, *line, TZ="Asia/Tokyo", LC_ALL="C", USER="somebody", HOME="/nonexistent", COLUMNS="40") == wanted


def reversed_keys(value: Any) -> Any:
    """Return the same document with every mapping's keys in the opposite order."""
    if isinstance(value, Mapping):
        return {key: reversed_keys(value[key]) for key in reversed(list(value))}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def test_the_order_of_keys_means_nothing(shop: Path) -> None:
    def comparable() -> dict[str, Any]:
        plan: dict[str, Any] = json.loads(run(shop, "plan", "-e", "prod", "--json"))
        plan.pop("inputs")  # digests of the files' bytes
        for finding in plan["findings"]:
            finding.pop("where")
        return plan

    for name in ("stagecraft.yml", "docker-compose.yml"):
        (shop / name).write_text(yaml.safe_dump(yaml.safe_load((shop / name).read_text()), sort_keys=False))
    wanted = comparable()
    for name in ("stagecraft.yml", "docker-compose.yml"):
        document = reversed_keys(yaml.safe_load((shop / name).read_text()))
        (shop / name).write_text(yaml.safe_dump(document, sort_keys=False))
    assert json.dumps(comparable()) == json.dumps(wanted)


def test_no_value_of_a_secret_stands_in_it(shop: Path) -> None:
    for environment in ("staging", "prod"):
        for form in ("text", "json", "mermaid"):
            assert "canary" not in run(shop, "plan", "-e", environment, "--format", form)


# --- a saved plan

MOVES = {
    "the configuration": (("stagecraft.yml", "soak: 30s", "soak: 31s"), "stagecraft.yml: changed"),
    "the compose file": (("docker-compose.yml", "hello", "good bye"), "docker-compose.yml: changed"),
    "a migration": (("migrations/001_items.sql", "text", "varchar"), "migrations/001_items.sql: changed"),
    "an image": (("docker-compose.yml", "nginx:1.27", "nginx:1.28"), "service web: changed"),
    "a host": (("stagecraft.yml", "db: [db-1]", "db: [db-2]"), "operation prepare:db-2: is new"),
    "the name of the project": (("stagecraft.yml", "name: shop,", "name: stall,"), "project: was shop, is stall"),
    "the runtime": (("stagecraft.yml", "  prod:\n    runtime: compose", "  prod:\n    runtime: process"), "runtime: was compose"),
}  # fmt: skip


@pytest.mark.parametrize("what", MOVES)
def test_a_saved_plan_is_refused_when_something_moved(shop: Path, what: str) -> None:
    run(shop, "plan", "-e", "prod", "-v", "1", "-o", "plan.json")
    (file, before, after), named = MOVES[what]
    edit(shop / file, before, after)
    said = run(shop, "deploy", "-e", "prod", "--plan", "plan.json", code=1)
    assert "error: plan.json is not what would be deployed now" in said
    assert named in said
    assert "hint: " in said
    assert not (shop / ".stagecraft/releases").exists()


def test_a_saved_plan_is_refused_when_a_file_came_or_went(shop: Path) -> None:
    run(shop, "plan", "-e", "prod", "-v", "1", "-o", "plan.json")
    (shop / "migrations/003_more.sql").write_text("SELECT 1;\n")
    said = run(shop, "deploy", "-e", "prod", "--plan", "plan.json", code=1)
    assert "migrations/003_more.sql: is new" in said
    assert "operation migrate:main: changed" in said
    (shop / "migrations/003_more.sql").unlink()
    (shop / "migrations/002_index.sql").unlink()
    said = run(shop, "deploy", "-e", "prod", "--plan", "plan.json", code=1)
    assert "migrations/002_index.sql: is gone" in said
    assert "operation migrate-post:main: is gone" in said


def test_a_saved_plan_is_refused_for_another_environment(shop: Path) -> None:
    run(shop, "plan", "-e", "prod", "-v", "1", "-o", "plan.json")
    said = run(shop, "deploy", "-e", "staging", "--plan", "plan.json", code=1)
    assert "environment: was prod, is staging" in said


def test_flags_that_would_change_a_saved_plan_are_refused_beside_it(shop: Path) -> None:
    run(shop, "plan", "-e", "staging", "-v", "1", "-o", "plan.json")
    for flags in (("-v", "2"), ("--services", "api")):
        said = run(shop, "deploy", "-e", "staging", "--plan", "plan.json", "--dry-run", *flags, code=1)
        assert "--plan" in said
    for flags in (("--resume", "-v", "2"), ("--abort", "--dry-run"), ("--resume", "--plan", "plan.json")):
        assert "exclude each other" in run(shop, "deploy", "-e", "staging", *flags, code=1)
    assert "version 1" in run(shop, "deploy", "-e", "staging", "--plan", "plan.json", "--dry-run")


def test_a_saved_plan_is_what_is_deployed(shop: Path) -> None:
    run(shop, "plan", "-e", "staging", "-v", "1", "--services", "api", "-o", "plan.json")
    saved = json.loads((shop / "plan.json").read_text())
    printed = run(shop, "deploy", "-e", "staging", "--plan", "plan.json", "--dry-run", "--json")
    dry, _ = json.JSONDecoder().raw_decode(printed)
    dry.pop("dry_run")
    assert dry == saved


def test_a_plan_that_cannot_be_deployed_is_refused_before_anything_else(shop: Path) -> None:
    (shop / ".stagecraft").mkdir()
    run(shop, "deploy", "-e", "local", "-v", "1", code=1)
    assert list((shop / ".stagecraft").iterdir()) == [], "no lock was taken, no release recorded"


# --- size


def test_many_services_on_many_hosts(tmp_path: Path) -> None:
    services = {f"s{n:03}": {"image": "a:1", "depends_on": [f"s{n - 1:03}"] if n % 10 else []} for n in range(500)}
    hosts = [f"h{n:03}" for n in range(200)]
    (tmp_path / "docker-compose.yml").write_text(json.dumps({"services": services}))
    config = {"project": {"name": "big"}, "hosts": {"app": hosts}, "environments": {"prod": {"runtime": "compose"}}}
    (tmp_path / "stagecraft.yml").write_text(json.dumps(config))
    began = time.process_time()
    plan = json.loads(run(tmp_path, "plan", "--json"))
    assert time.process_time() - began < 60, (
        "how long it may take is measured elsewhere; this is for a wrong order of growth"
    )
    assert len(plan["services"]) == 500
    assert len(plan["hosts"]) == 200
    assert sum(o["id"].startswith("switch:") for o in plan["operations"]) == 200
    assert run(tmp_path, "plan").splitlines()[0] == "Plan: big to prod, version unknown, runtime compose"
