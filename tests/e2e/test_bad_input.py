"""Every bad input of which we know, given to the real command while an old release serves.

Each ends with one clear error that names a next step, the right exit code, no traceback, and soon after it is known; nothing is
lost, and whoever asks the old release over HTTP gets its answer, from the same process or container as before.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .tiny import Done, Tiny, make

BOTH = ["local", pytest.param("docker", marks=pytest.mark.needs("docker"))]


@pytest.fixture(scope="module", params=BOTH)
def serving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    """A project whose release "old" serves."""
    tiny = make(tmp_path_factory.mktemp("tiny") / "tiny", request.param)
    try:
        tiny.deploy("old")
        yield tiny
    finally:
        tiny.take_down()


@pytest.fixture
def old(serving: Tiny) -> Iterator[Tiny]:
    """The same, with its files put back afterwards; the old release must serve before and after, and be the same process."""
    kept = serving.folder.parent / "kept"
    own = ("stagecraft.yml", "docker-compose.yml", ".env", "web", "migrations")
    if not kept.exists():
        kept.mkdir()
        for name in own:
            copy = shutil.copytree if (serving.folder / name).is_dir() else shutil.copy2
            copy(serving.folder / name, kept / name)
    before = serving.instances()
    assert serving.serves() == "old"
    yield serving
    for entry in serving.folder.iterdir():
        if entry.name not in ("data", ".stagecraft"):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    shutil.rmtree(serving.folder / ".stagecraft/hooks", ignore_errors=True)
    shutil.copytree(kept, serving.folder, dirs_exist_ok=True)
    assert serving.serves() == "old"
    assert serving.instances() == before
    assert not list(serving.folder.rglob("canary*"))
    assert serving("lock", "status").out.endswith("is free\n")


def refused(done: Done, *words: str) -> None:
    """One or more errors, each with a next step; known at once."""
    lines = done.err.splitlines()
    assert lines[0].startswith("error: "), done.err
    assert "hint: " in done.err, done.err
    assert all(word in done.err for word in words), done.err
    assert done.cpu < 2.0


# --- the two files

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(10 * [f'*{former}'])}]\n" for former, new in zip("abcdefgh", "bcdefghi", strict=True)
)
Spoil = Callable[[Path], object]


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


SPOILED: dict[str, tuple[Spoil, str]] = {
    "missing": (lambda p: p.unlink(), "here"),
    "empty": (lambda p: p.write_bytes(b""), "is empty"),
    "blank": (lambda p: p.write_bytes(b" \n\n"), "is empty"),
    "folder": (a_folder, "directory"),
    "pipe": (a_pipe, "not a regular file"),
    "binary": (lambda p: p.write_bytes(bytes(range(256)) * 16), "the file is "),
    "null byte": (lambda p: p.write_bytes(b"a: \0b\n"), "binary"),
    "50 MB": (lambda p: p.write_bytes(b"# filling\n" * 5_242_880), "at most"),
    "50 MB in one value": (lambda p: p.write_bytes(b"k: [" + b"1, " * 17_000_000 + b"1]\n"), "at most"),
    "UTF-16": (lambda p: p.write_bytes(p.read_text().encode("utf-16")), "UTF-16"),
    "Latin-1": (lambda p: p.write_bytes(b"project: {name: caf\xe9}\n"), "not UTF-8"),
    "twice the same keys": (lambda p: p.write_bytes(p.read_bytes() * 2), "appears twice"),
    "an alias bomb": (lambda p: p.write_text(BOMB), "aliases expand"),
    "an alias of itself": (lambda p: p.write_text("a: &a [*a]\n"), "inside its own anchor"),
    "nested 10,000 deep": (lambda p: p.write_text("a: " + "[" * 10_000 + "]" * 10_000), "deep"),
    "mappings 10,000 deep": (lambda p: p.write_text("{a: " * 10_000 + "1" + "}" * 10_000), "deep"),
    "a list": (lambda p: p.write_text("- a\n"), "mapping"),
    "a word": (lambda p: p.write_text("hello\n"), "mapping"),
    "a tab": (lambda p: p.write_text("a:\n\tb: 1\n"), "2:1"),
    "an unclosed bracket": (lambda p: p.write_text("a: [1, 2\n"), "YAML"),
    "an object": (lambda p: p.write_text("project: !!python/object/apply:os.system ['touch canary']\n"), ""),
    "an unknown key": (lambda p: p.write_text(p.read_text() + "frobnicate: 1\n"), "frobnicate"),
}  # fmt: skip


@pytest.mark.parametrize("file", ["stagecraft.yml", "docker-compose.yml"])
@pytest.mark.parametrize("fault", SPOILED)
def test_a_file_that_is(old: Tiny, fault: str, file: str) -> None:
    spoil, word = SPOILED[fault]
    spoil(old.folder / file)
    refused(old("deploy", "-v", "new", code=1), word)


@pytest.mark.parametrize("file", ["stagecraft.yml", "docker-compose.yml", ".env", "migrations/001_items.sql"])
def test_a_file_that_may_not_be_read(old: Tiny, file: str) -> None:
    if os.getuid() or not shutil.which("setpriv"):
        pytest.skip("it takes root to become somebody who may not")
    for folder in (old.folder, *old.folder.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    (old.folder / file).chmod(0)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    command = [*nobody, sys.executable, "-m", "stagecraft", "plan", "-e", old.environment]
    done = subprocess.run(command, cwd=old.folder, env=old.variables(), capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2), done.stderr
    assert "ermission" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("file", ["stagecraft.yml", "docker-compose.yml", ".env"])
def test_line_ends_and_byte_order_marks_of_windows_are_no_fault(old: Tiny, file: str) -> None:
    path = old.folder / file
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    old("plan")


WRONG_TYPES = [
    ("stagecraft.yml", "databases:\n", "databases: 3\nx-was:\n"),
    ("stagecraft.yml", "env_file: .env", "env_file: .env, hosts: [[]]"),
    (
        "stagecraft.yml",
        "environments:\n",
        "rollout: {soak: {}, max_parallel: -3, auto_undo: maybe, keep: none}\nenvironments:\n",
    ),
    ("stagecraft.yml", "environments:\n", "services: {web: [app]}\nenvironments:\n"),
    ("stagecraft.yml", "engine: raw", "engine: [raw]"),
    ("docker-compose.yml", "build: ./web", "build: 3"),
    ("docker-compose.yml", "command: [python3, server.py]", "command: {a: b}"),
    ("docker-compose.yml", "environment: {", "depends_on: 7\n    environment: {"),
    ("docker-compose.yml", "retries: 3", "retries: many"),
    ("docker-compose.yml", "services:\n", "services: [web]\nx-was:\n"),
]


@pytest.mark.parametrize(("file", "before", "after"), WRONG_TYPES)
def test_a_value_of_the_wrong_type(old: Tiny, file: str, before: str, after: str) -> None:
    text = (old.folder / file).read_text()
    assert before in text
    (old.folder / file).write_text(text.replace(before, after))
    refused(old("deploy", "-v", "new", code=1), f"{file}:")


CYCLES = {
    "extends": "services:\n  web: {extends: {service: other}, image: a}\n  other: {extends: {service: web}}\n",
    "extends itself": "services:\n  web: {extends: {service: web}, image: a}\n",
    "include": "include: [other.yml]\nservices:\n  web: {image: a}\n",
    "depends_on": "services:\n  web: {image: a, depends_on: [b]}\n  b: {image: a, depends_on: [web]}\n",
    "depends_on itself": "services:\n  web: {image: a, depends_on: [web]}\n",
}


@pytest.mark.parametrize("kind", CYCLES)
def test_a_cycle(old: Tiny, kind: str) -> None:
    (old.folder / "docker-compose.yml").write_text(CYCLES[kind])
    (old.folder / "other.yml").write_text("include: [docker-compose.yml]\n")
    refused(old("deploy", "-v", "new", code=1), ".yml:")


# --- names


UNKNOWN = [
    (("deploy", "-v", "new", "-e", "nowhere"), "no environment 'nowhere'"),
    (("deploy", "-v", "new", "--services", "wbe"), "did you mean 'web'?"),
    (("plan", "--hosts", "nowhere"), "no host 'nowhere'"),
    (("plan", "--roles", "apps"), "did you mean 'app'?"),
    (("logs", "--service", "wbe"), "did you mean 'web'?"),
    (("status", "--host", "nowhere"), "no host 'nowhere'"),
    (("rollback", "--to-release", "rel-0"), "no release 'rel-0'"),
    (("migrate", "run", "--database", "other"), "no database"),
    (("deploy", "--plan", "nowhere.json"), "no saved plan 'nowhere.json'"),
]


@pytest.mark.parametrize(("line", "word"), UNKNOWN, ids=lambda value: value[-1] if isinstance(value, tuple) else "")
def test_an_unknown_name(old: Tiny, line: tuple[str, ...], word: str) -> None:
    refused(old(*line, code=1), word)


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("engine: raw", "engine: rwa", "rwa"),
        ("databases:", "backend: {provider: nodejs}\ndatabases:", "no backend provider 'nodejs'"),
        ("databases:", "backend: {provider: generic, service: api}\ndatabases:", "'api'"),
        ("databases:", "services: {wbe: {role: app}}\ndatabases:", "'wbe'"),
        ("databases:", "hosts: {app: [local]}\nservices: {web: {role: apps}}\ndatabases:", "apps"),
        ("databases:", "plugins: [frobnicate]\ndatabases:", "frobnicate"),
        ("databases:", "state: {provider: remote}\ndatabases:", "remote"),
    ],
)
def test_an_unknown_name_in_the_configuration(old: Tiny, before: str, after: str, word: str) -> None:
    path = old.folder / "stagecraft.yml"
    path.write_text(path.read_text().replace(before, after))
    refused(old("deploy", "-v", "new", code=1), word)


HOSTILE = [
    "-rf",
    "--force",
    "$(touch canary)",
    "`touch canary`",
    ";touch canary;",
    "|touch canary",
    "a\ntouch canary\n",
    "../../canary",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_look_like_flags_or_shell_are_only_names(old: Tiny, name: str) -> None:
    quoted = json.dumps(name)
    config, compose = old.folder / "stagecraft.yml", old.folder / "docker-compose.yml"
    texts = {path: path.read_text() for path in (config, compose)}
    for path, before, after in (
        (config, f"name: {old.name}", f"name: {quoted}"),
        (config, f"  {old.environment}: {{", f"  {quoted}: {{"),
        (config, "env_file: .env", f"env_file: .env, hosts: {{app: [{quoted}]}}"),
        (config, "env_file: .env", f"env_file: .env, hosts: {{app: [{{name: h, address: {quoted}, user: {quoted}}}]}}"),
        (config, "env_file: .env", f"env_file: {quoted}"),
        (config, "path: ./migrations", f"path: {quoted}"),
        (compose, "build: ./web", f"build: {quoted}"),
    ):
        assert before in texts[path], before
        path.write_text(texts[path].replace(before, after))
        refused(old("deploy", "-v", "new", code=None))
        path.write_text(texts[path])
    for flag in ("-e", "--services", "--plan"):
        assert old("deploy", "-v", "new", f"{flag}", name, code=1).cpu < 2
    for line in (("rollback", "--to-version", name), ("rollback", "--to-release", name), ("logs", "--service", name)):
        assert old(*line, code=1).cpu < 2
    assert not list(old.folder.rglob("canary*"))


@pytest.mark.parametrize(
    "name", ["-rf", "$(touch canary)", ";touch canary", "`touch canary`", "a b", "é", "--force", "../x"]
)
def test_a_version_may_be_called_anything_printable(tmp_path: Path, name: str) -> None:
    tiny = make(tmp_path / "tiny", "local")
    try:
        tiny("deploy", f"--version={name}")
        assert tiny.serves() == "0"
        assert name in tiny("releases", "list").out
        assert not list(tmp_path.rglob("canary*"))
    finally:
        tiny.take_down()


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "x" * 129])
def test_a_version_that_would_spoil_a_list_is_refused(old: Tiny, name: str) -> None:
    refused(old("deploy", "-v", name, code=1), "the version")


@pytest.mark.parametrize("flag", ["--services", "-e", "--version", "--plan"])
def test_an_empty_shell_variable_is_no_value(old: Tiny, flag: str) -> None:
    refused(old("deploy", flag, "", code=1), "is empty")


# --- plugins


def installed(folder: Path, name: str, code: str, entry: str = "") -> dict[str, str]:
    """Lay a distribution with one plugin into a folder; return the variables that make Python find it."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[stagecraft]\n{entry or name} = {module}\n")
    return {"PYTHONPATH": str(folder)}


BROKEN = {
    "raises": "raise RuntimeError('broken on purpose')\n",
    "does not parse": "def broken(:\n",
    "leaves": "import sys\nsys.exit(0)\n",
    "lacks a module": "import nowhere_to_be_found\n",
    "implements no hook": "from stagecraft_hookspecs import hookimpl\n@hookimpl\ndef stagecraft_frobnicate(): pass\n",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_plugin_that(old: Tiny, tmp_path: Path, fault: str) -> None:
    env = installed(tmp_path, "sc-broken", BROKEN[fault])
    old("plan", env=env)  # nobody has asked for it
    assert "sc-broken" in old("plugins", "list", env=env, code=1).out
    path = old.folder / "stagecraft.yml"
    path.write_text(path.read_text() + "plugins: [sc-broken]\n")
    refused(old("deploy", "-v", "new", env=env, code=2), "sc-broken")


def test_two_distributions_that_claim_one_name(old: Tiny, tmp_path: Path) -> None:
    env = installed(tmp_path, "sc-local", "", entry="local")
    refused(old("deploy", "-v", "new", env=env, code=2), "'local' is claimed by", "sc-local")


@pytest.mark.parametrize("fault", BROKEN)
def test_hooks_of_the_project_that(old: Tiny, fault: str) -> None:
    (old.folder / "stagecraft_hooks.py").write_text(BROKEN[fault])
    refused(old("deploy", "-v", "new", code=2), "stagecraft_hooks.py cannot be loaded", "--no-plugins")
    old("plan", "--no-plugins")


@pytest.mark.parametrize("leave", ["raise ValueError('broken on purpose')", "import sys; sys.exit(0)", "return 3"])
@pytest.mark.parametrize("phase", ["build", "rollout"])
def test_hooks_of_the_project_that_fail_while_it_is_deployed(old: Tiny, phase: str, leave: str) -> None:
    text = f"from stagecraft_hookspecs import hookimpl\n@hookimpl\ndef stagecraft_{phase}(phase, ctx):\n    {leave}\n"
    (old.folder / "stagecraft_hooks.py").write_text(text)
    done = old("deploy", "-v", "new", code=3)
    assert done.err.splitlines()[0].startswith("error: ")
    assert "undone" in old("releases", "list").out.splitlines()[1]


HOOKS = {
    "fails": (
        "#!/bin/sh\necho said before it failed\nexit 3\n",
        0o755,
        2,
        "hook rollout-before failed with exit code 3",
    ),
    "is not executable": ("#!/bin/sh\n", 0o644, 1, "chmod +x .stagecraft/hooks/rollout-before"),
    "has no interpreter": ("#!/nowhere/to/be/found\n", 0o755, 2, "#!/bin/sh"),
    "is no program": ("hello", 0o755, 2, "#!/bin/sh"),
}


@pytest.mark.parametrize("fault", HOOKS)
def test_an_executable_hook_that(old: Tiny, fault: str) -> None:
    text, mode, code, word = HOOKS[fault]
    folder = old.folder / ".stagecraft/hooks"
    folder.mkdir()
    (folder / "rollout-before").write_text(text)
    (folder / "rollout-before").chmod(mode)
    (folder / "rollout-failed").write_text('#!/bin/sh\nenv > "$PWD/told"\nexit 9\n')
    (folder / "rollout-failed").chmod(0o755)
    refused(old("deploy", "-v", "new", code=code), word)
    told = (old.folder / "told").read_text()
    assert "STAGECRAFT_PHASE=rollout\n" in told
    assert "STAGECRAFT_VERSION=new\n" in told


# --- the state


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    at = data.index(b'"version": "') + 13
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("damage", [halved, flipped, lambda data: b"", lambda data: b"\0" * len(data)])
def test_a_damaged_history_is_named_and_left_as_it_is(old: Tiny, damage: Callable[[bytes], bytes]) -> None:
    path = old.folder / ".stagecraft/releases.json"
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    try:
        for line in (("deploy", "-v", "new"), ("rollback",), ("releases", "list"), ("status",)):
            refused(old(*line, code=2), "releases.json", ".last-good")
        assert path.read_bytes() == damage(sound)
    finally:
        path.write_bytes(sound)


@pytest.mark.parametrize("damage", [halved, lambda data: b"", lambda data: data.replace(b"web", b"wbe", 1)])
def test_a_damaged_bundle_of_what_serves(old: Tiny, damage: Callable[[bytes], bytes]) -> None:
    serving = next(line.split()[0] for line in old("releases", "list").out.splitlines() if " serving " in line)
    folder = old.folder / ".stagecraft/releases" / serving
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    bundles = [path for path in kept if path.name.startswith("bundle.json")]
    assert bundles
    for path in bundles:
        path.write_bytes(damage(kept[path]))
    try:
        refused(old("status", code=2), serving)
        refused(old("deploy", "-v", "new", "--services", "web", code=2), serving)
    finally:
        for path, data in kept.items():
            path.write_bytes(data)


def test_a_saved_plan_that_is_none(old: Tiny) -> None:
    plan = old.folder / "plan.json"
    old("plan", "-v", "new", "-o", "plan.json")
    sound = plan.read_text()
    broken = ["", "{}", "[]", "3", "nonsense", sound[:200], sound.replace('"schema": 1', '"schema": 9')]
    for key, value in (
        ("operations", "3"),
        ("operations", "[3]"),
        ("version", "3"),
        ("selected", "4"),
        ("inputs", "[]"),
    ):
        broken.append(json.dumps({**json.loads(sound), key: json.loads(value)}))
    for text in broken:
        plan.write_text(text)
        refused(old("deploy", "--plan", "plan.json", code=1), "plan.json")


# --- the disk


def fill(disk: Path, free: int) -> None:
    """Leave so many bytes free."""
    ballast = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(ballast, bytes(4096))
    os.ftruncate(ballast, max(0, os.fstat(ballast).st_size - free))
    os.close(ballast)


def test_a_disk_that_fills_up_at_each_step_of_a_deploy(tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("it takes root to mount a small disk")
    tiny = make(tmp_path / "tiny", "local")
    disk = tiny.folder / ".stagecraft"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    failed = 0
    try:
        tiny.deploy("0")
        serves = "0"
        for pages in range(24):
            before = tiny.instances()
            fill(disk, pages * 4096)
            done = tiny.deploy(str(pages + 1), code=None)
            if done.code == 0:
                serves = str(pages + 1)
            else:
                failed += 1
                assert done.code == 2, done.err
                assert "o space left on device" in done.err
                assert "hint: " in done.err
                assert tiny.instances() == before
            assert tiny.serves() == serves, done.err
            assert " serving " in tiny("releases", "list").out
            (disk / "ballast").unlink()
            # whatever was left half done is brought to an end now that there is space
            tiny("deploy", "--abort")
            assert tiny.serves() == serves
        assert 3 < failed < 24, "the disk must fill up before, in, and after a deploy"
        tiny.deploy("last")
        assert tiny.serves() == "last"
    finally:
        tiny.take_down()
        subprocess.run(["umount", "-l", str(disk)], check=False)


# --- builds and containers


@pytest.mark.needs("docker")
@pytest.mark.parametrize(
    ("dockerfile", "word"),
    [
        ("FROM python:3.11-slim\nRUN echo so far && exit 7\n", "exit"),
        ("FROM nowhere.invalid/nothing:1\n", "nowhere.invalid"),
        ("FRM python\n", "FRM"),
        ("FROM python:3.11-slim\nCOPY nothing /x\n", "nothing"),
    ],
)
def test_a_build_that_fails(old: Tiny, dockerfile: str, word: str) -> None:
    if old.environment != "docker":
        pytest.skip("the process runtime builds nothing")
    (old.folder / "web/Dockerfile").write_text(dockerfile)
    done = old("deploy", "-v", "new", code=2)
    assert word in done.err
    assert "hint: " in done.err


def test_a_folder_to_build_that_is_not_there(old: Tiny) -> None:
    shutil.rmtree(old.folder / "web")
    refused(old("deploy", "-v", "new", code=1), "web")


def test_no_engine(old: Tiny) -> None:
    if old.environment != "docker":
        pytest.skip("the process runtime needs none")
    gone = {"DOCKER_HOST": "unix:///nowhere/to/be/found.sock"}
    for line in (("deploy", "-v", "new"), ("status",), ("rollback",), ("build",), ("logs",)):
        done = old(*line, code=None, env=gone)
        assert done.code == (1 if line[0] == "rollback" else 2), "there is nothing before the first release"
        if done.code == 2:
            assert "/nowhere/to/be/found.sock" in done.err
            assert "hint: start " in done.err
    old("plan", env=gone)


UNWELL = {
    "exits at once": ("raise SystemExit('left on purpose')\n", "left on purpose"),
    "exits with 0": ("print('nothing to do')\n", "nothing to do"),
    "does not parse": ("def broken(:\n", "SyntaxError"),
    "is never healthy": (
        "import signal\nprint('here, and deaf', flush=True)\nsignal.sigwait({signal.SIGTERM})\n",
        "here, and deaf",
    ),
}


@pytest.mark.parametrize("fault", UNWELL)
def test_a_service_that(old: Tiny, fault: str) -> None:
    code, word = UNWELL[fault]
    (old.folder / "web/server.py").write_text(code)
    done = old("deploy", "-v", "new", code=2)
    assert "error: service 'web'" in done.err or "error: web" in done.err, done.err
    assert word in done.err, "its own last words are shown"
    assert "hint: " in done.err
    assert "undone" in old("releases", "list").out.splitlines()[1]


def test_a_command_that_is_not_there(old: Tiny) -> None:
    path = old.folder / "docker-compose.yml"
    path.write_text(path.read_text().replace("[python3, server.py]", "[nowhere-to-be-found]"))
    done = old("deploy", "-v", "new", code=2)
    assert "nowhere-to-be-found" in done.err


@pytest.mark.parametrize("environment", BOTH)
def test_a_service_without_a_healthcheck_is_deployed_with_a_warning(tmp_path: Path, environment: str) -> None:
    tiny = make(tmp_path / "tiny", environment)
    path = tiny.folder / "docker-compose.yml"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "healthcheck" not in line))
    try:
        done = tiny.deploy("old")
        # a container counts as well because it runs; a plain process must listen, so nothing is amiss there
        assert ("healthcheck" in done.err) == (environment == "docker")
        assert tiny.soon("old")
        (tiny.folder / "web/server.py").write_text("raise SystemExit('left on purpose')\n")
        assert "left on purpose" in tiny.deploy("new", code=2).err
        assert tiny.soon("old")
    finally:
        tiny.take_down()


# --- migrations


@pytest.mark.parametrize(
    ("file", "text", "code", "word"),
    [
        ("002_next.sql", "CREATE TABEL oops (;\n", 2, "002_next.sql:1:1"),
        ("001_items.sql", "CREATE TABLE other (id integer);\n", 1, "was edited after it was applied"),
        ("001_again.sql", "SELECT 1;\n", 1, "same number"),
        ("next.sql", "SELECT 1;\n", 1, "begins with a number"),
        ("002_next.sql", "\0\1\2", 1, "002_next.sql"),
        ("002_next.sql", "SELECT 'unclosed\n", 1, "002_next.sql"),
    ],
)
def test_a_migration_that(old: Tiny, file: str, text: str, code: int, word: str) -> None:
    (old.folder / "migrations" / file).write_text(text)
    refused(old("deploy", "-v", "new", code=code), word)


def test_a_migration_that_is_gone(old: Tiny) -> None:
    (old.folder / "migrations/001_items.sql").unlink()
    refused(old("deploy", "-v", "new", code=1), "001_items.sql")


def test_two_deployers_at_once(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny", "local")
    try:
        tiny.deploy("old")
        (tiny.folder / "migrations/002_once.sql").write_text(
            "CREATE TABLE once (id integer);\nINSERT INTO once VALUES (1);\n"
        )
        (tiny.folder / ".stagecraft/hooks").mkdir()
        hook = tiny.folder / ".stagecraft/hooks/migrate_pre-before"
        hook.write_text("#!/bin/sh\ntouch began\nsleep 2\n")
        hook.chmod(0o755)
        (tiny.folder / "web/version.txt").write_text("new")
        first = tiny.start("deploy", "-v", "new")
        while not (tiny.folder / "began").exists():
            assert first.poll() is None
        refused(tiny("deploy", "-v", "other", code=1), "deploy", "since", "--wait")
        waiting = tiny.start("deploy", "-v", "next", "--wait")
        assert first.wait(60) == 0
        assert waiting.wait(60) == 0, waiting.stdout and waiting.stdout.read()
        import sqlite3

        with sqlite3.connect(tiny.folder / "data/local/tiny.db") as database:
            assert database.execute("SELECT count(*) FROM once").fetchone() == (1,)
        assert tiny.serves() == "new"
        outcomes = [line.split()[3] for line in tiny("releases", "list").out.splitlines()[1:]]
        assert outcomes == ["serving", "complete", "complete"]
    finally:
        tiny.take_down()


def test_two_machines_that_migrate_one_database_at_once(tmp_path: Path) -> None:
    """Two checkouts do not know of each other's lock; the database's own keeps them apart."""
    tiny = make(tmp_path / "tiny", "local")
    (tiny.folder / "migrations/002_once.sql").write_text(
        "CREATE TABLE once (id integer);\nINSERT INTO once VALUES (1);\n"
    )
    copies = [Path(shutil.copytree(tiny.folder, tmp_path / f"copy{n}")) for n in range(3)]
    url = f"sqlite:///{tmp_path}/shared.db"
    for copy in copies:
        path = copy / "docker-compose.yml"
        path.write_text(path.read_text().replace("sqlite:////data/tiny.db", url))
    results: list[subprocess.CompletedProcess[str]] = []

    def migrate(folder: Path) -> None:
        command = [sys.executable, "-m", "stagecraft", "migrate", "run"]
        results.append(
            subprocess.run(command, cwd=folder, env=tiny.variables(), capture_output=True, text=True, check=False)
        )

    threads = [threading.Thread(target=migrate, args=(copy,)) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.returncode for r in results] == [0, 0, 0], [r.stderr for r in results]
    assert sum("applied 001_items.sql, 002_once.sql" in r.stdout for r in results) == 1
