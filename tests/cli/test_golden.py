"""What each command prints, text and JSON, off a terminal, held equal to files; `STAGECRAFT_GOLDEN=write` writes them anew.

A golden file is read as a review reads it: the command line, the exit code, and both streams as a user sees them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from stagecraft.cli.registry import builtin_commands

from .conftest import GOLDEN, Printed, Project, settled

FIXED = [
    "plan -e staging",
    "plan -e staging --json",
    "plan -e staging --format mermaid",
    "plan -e prod",
    "plan -e prod --services api,web",
    "plan -e prod --hosts app-2",
    "plan -e prod --roles db --format json",
    "plan -e prod -v 1.4.0 -o plan.json",
    "plan -e local",
    "plan -e local --json",
    "config show -e prod",
    "config show -e prod --json",
    "config validate",
    "config validate --json",
    "releases list -e prod",
    "releases list -e prod --json",
    "releases show -e prod",
    "lock status -e local",
    "lock status -e local --json",
    "deploy -e staging --dry-run -v 1",
    "deploy -e staging --dry-run -v 1 --json",
    "build -e staging --dry-run -v 1 --push",
    "plugins list",
    "completion bash",
    "completion zsh",
    "completion fish",
    "completion -- deploy --services a",
    "completion -- deploy -e prod --services api,w",
    "completion -- plan -e prod --hosts ''",
    "completion -- releases ''",
    "completion -- rollback --to-",
    "completion -- deploy -e ''",
    "completion -- pl",
    "completion -- -e ''",
    "completion -- -e prod dep",
    "completion -- -e prod logs --service ''",
]

MISTAKES = [
    "",
    "frobnicate",
    "plann",
    "releases foo",
    "plan",
    "plan --json",
    "plan -e nope",
    "plan -e prd",
    "plan -e prod --services apo",
    "plan -e prod --hosts app-9 --json",
    "plan -e prod --roles dbs",
    "plan -e prod --format jsn",
    "plan -e prod --servics api",
    "plan -e",
    "-e",
    "--frob plan",
    "plan -e prod -e staging",
    "plan surplus",
    "deploy surplus",
    "deploy --resume --abort -e prod",
    "deploy -e prod --plan nowhere.json",
    "plan -- surplus",
    "plan --json=yes",
    "releases list -e prod --limit ten",
    "releases list -e prod --limit -1",
    "releases show -e prod rel-20260101-000000000",
    "rollback -e local",
    "rollback -e local --to-previous --to-version 1",
    "deploy -e local --abort",
    "deploy -e local --resume",
    "status -e prod",
    "logs -e prod --since soon",
    "migrate plan -e prod --database nope",
    "completion",
    "completion tcsh",
    "plan --config elsewhere.yml",
    "init",
]

#: Text of an error is in `MISTAKES`; here as JSON, one of each class that a command without a host can meet.
AS_JSON = ["frobnicate", "plan -e prod surplus", "plan -e prd", "deploy -e local -v 1", "rollback -e local", "init"]


def check(name: str, line: str, printed: Printed) -> None:
    """Compare what a command printed with its golden file, or write it."""
    path = GOLDEN / f"{name}.txt"
    text = f"$ stagecraft {line}".rstrip() + f"\n[{printed.code}]\n"
    for stream, content in (("stdout", printed.out), ("stderr", printed.err)):
        if content:
            text += f"--- {stream}\n{settled(content)}"
    if os.environ.get("STAGECRAFT_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"there is no {path}: STAGECRAFT_GOLDEN=write writes it; then read it"
    assert text == path.read_text()


def named(line: str) -> str:
    return "-".join(re.findall(r"[\w.]+", line.replace(" -- ", " rest "))) or "nothing"


@pytest.mark.parametrize("line", FIXED)
def test_what_a_command_prints(shop: Project, line: str) -> None:
    check(named(line), line, shop(*shlex.split(line)))


@pytest.mark.parametrize("line", MISTAKES)
def test_what_a_mistake_prints(shop: Project, line: str) -> None:
    printed = shop(*shlex.split(line))
    assert printed.code == (0 if line.endswith("--abort") and "resume" not in line else 1)
    assert "Traceback" not in printed.err
    check(f"mistakes/{named(line)}", line, printed)


@pytest.mark.parametrize("line", AS_JSON)
def test_what_a_mistake_prints_as_json(shop: Project, line: str) -> None:
    check(f"mistakes/{named(line)}.json", f"{line} --json", shop(*shlex.split(line), "--json", code=1))


@pytest.mark.parametrize("command", ["", *(c.name for c in builtin_commands())])
def test_help(empty: Project, command: str) -> None:
    check(f"help/{named(command)}", f"{command} --help".strip(), empty(*command.split(), "--help", code=0))


@pytest.mark.parametrize("group", ["config", "lock", "migrate", "plugins", "releases"])
def test_help_of_a_group(empty: Project, group: str) -> None:
    check(f"help/{group}", f"{group} --help", empty(group, "--help", code=0))


def test_the_saved_plan(shop: Project) -> None:
    shop("plan", "-e", "prod", "-v", "1.4.0", "-o", "plan.json", code=0)
    printed = Printed(0, (shop.folder / "plan.json").read_text(), "")
    check("plan.json", "plan -e prod -v 1.4.0 -o plan.json; cat plan.json", printed)


def test_init(empty: Project) -> None:
    folder = empty.folder / "My Shop"
    shutil.copytree(GOLDEN / "shop", folder)
    (folder / "stagecraft.yml").unlink()
    project = Project(folder, empty._patch)
    check("init", "init", project("init", code=0))
    check("init-written", "init; cat stagecraft.yml", Printed(0, (folder / "stagecraft.yml").read_text(), ""))
    check("init-json", "init --yes --force --json", project("init", "--yes", "--force", "--json", code=0))


def test_init_without_a_compose_file(empty: Project) -> None:
    check("mistakes/init-nothing", "init", empty("init", code=1))


def test_no_project_here(empty: Project) -> None:
    check("mistakes/no-project", "deploy -v 1", empty("deploy", "-v", "1", code=1))


def test_every_fault_of_the_files_at_once(shop: Project) -> None:
    faulty = "project: {name: shop, colour: red}\nbackend: {provider: nodejs}\n"
    shop.write(stagecraft_yml=faulty + "environments: {a: {rollout: {soak: long}}}\n")
    check("mistakes/faults", "config validate", shop("config", "validate", code=1))
    check("mistakes/faults.json", "config validate --json", shop("config", "validate", "--json", code=1))


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a history: a deploy, one that failed and was undone, an upgrade, a rollback."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STAGECRAFT_ENV", "STAGECRAFT_CONFIG"):
            patch.delenv(name, raising=False)
        patch.setenv("LOGNAME", "ada")
        patch.setattr("socket.gethostname", lambda: "desk")
        folder = tmp_path_factory.mktemp("life") / "small"
        shutil.copytree(GOLDEN / "small", folder)
        project = Project(folder, patch)
        server = (folder / "api/server.py").read_text()
        try:
            project("deploy", "-v", "1", code=0)
            (folder / "api/server.py").write_text("raise SystemExit('broken on purpose')\n")
            project("deploy", "-v", "2", code=2)
            (folder / "api/server.py").write_text(server + "# 3\n")
            project("deploy", "-v", "3", code=0)
            project("rollback", code=0)
            yield project
        finally:
            home = folder / ".stagecraft/run/local"
            subprocess.run([sys.executable, "-m", "stagecraft_process.stop", str(home)], check=False)


@pytest.mark.parametrize(
    "line",
    [
        "releases list",
        "releases list --limit 1",
        "releases list --json",
        "releases show",
        "releases show --json",
        "status",
        "status --service nope",
        "migrate plan",
        "migrate plan --json",
        "migrate run",
        "rollback --dry-run",
        "rollback --to-version 3 --dry-run --json",
        "rollback --to-version 2",
        "deploy --abort",
        "deploy --resume",
        "doctor",
        "logs --tail 1",
    ],
)
def test_what_a_deployed_project_prints(life: Project, shell: pytest.MonkeyPatch, line: str) -> None:
    check(f"life/{named(line)}", line, life(*line.split()))
