"""Fetch and unpack Debian packages beside the system's own, with signatures checked.

The archive's address is read from the machine's apt sources at run time, so whatever archive this machine
already trusts and reaches serves the other suites too. Packages are resolved against an empty installed
set: the result does not depend on what the machine has, and nothing is ever installed or configured.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout, TestbedError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NOT_UNPACKED = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./usr/share/info/*")
TARGET_FORMAT = "$(REPO_URI) $(RELEASE) $(COMPONENT)"


@dataclass(frozen=True, slots=True)
class Suite:
    """One Debian suite, with package lists and archives of its own under `folder`."""

    codename: str
    folder: Path

    @property
    def archives(self) -> Path:
        return self.folder / "archives"

    @property
    def options(self) -> tuple[str, ...]:
        """Return the apt options that keep every read and write inside `folder`."""
        settings = {
            "Dir::Etc::sourcelist": f"{self.folder}/sources.list",
            "Dir::Etc::sourceparts": "/nonexistent",
            "Dir::State": f"{self.folder}/state",
            "Dir::State::lists": f"{self.folder}/lists",
            "Dir::State::status": f"{self.folder}/status",
            "Dir::Cache": str(self.folder),
            "Dir::Cache::archives": str(self.archives),
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            "Debug::NoLocking": "true",
        }
        return ("-qq", *(f"-o{key}={value}" for key, value in settings.items()))


def machine_codename() -> str:
    """Return the codename of the Debian this machine runs, such as `bookworm`."""
    fields = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    if fields.get("ID", "").strip('"') != "debian":
        raise TestbedError(
            f"the testbed needs Debian, and this is {fields.get('ID', 'unknown')}",
            "run the tests without STAGECRAFT_TESTBED=1; start Docker and the databases by other means",
        )
    return fields["VERSION_CODENAME"].strip('"')


def archive_uri(targets: str, codename: str) -> str:
    """Return the address of the main archive of `codename`.

    `targets` is the output of `apt-get indextargets` in `TARGET_FORMAT`: one index per line.
    """
    for line in targets.splitlines():
        uri, release, component = (*line.split(), "", "", "")[:3]
        if release == codename and component == "main":
            return uri
    raise TestbedError(
        f"no apt source of this machine offers {codename} main",
        "add the Debian archive to /etc/apt/sources.list.d and try again",
    )


def source_entry(uri: str, codename: str) -> str:
    """Return the apt source of a suite: only lists signed by the Debian archive's keys are taken."""
    return f"deb [signed-by={KEYRING}] {uri} {codename} main\n"


def open_suite(layout: Layout, codename: str) -> Suite:
    """Return the suite `codename`, its package lists fetched once and kept."""
    suite = Suite(codename, layout.apt / codename)
    if any((suite.folder / "lists").glob("*Packages*")):
        return suite
    own = machine_codename()
    # --no-release-info: lists every configured index, also when the machine never fetched its lists
    listing = _run(["apt-get", "indextargets", "--no-release-info", "--format", TARGET_FORMAT, "Created-By: Packages"])
    for folder in ("lists/partial", "archives/partial", "state"):
        (suite.folder / folder).mkdir(parents=True, exist_ok=True)
    (suite.folder / "status").write_text("")
    (suite.folder / "sources.list").write_text(source_entry(archive_uri(listing, own), codename))
    update(suite)
    return suite


def update(suite: Suite) -> None:
    """Fetch the suite's signed package lists."""
    _run(["apt-get", *suite.options, "update"])


def closure(suite: Suite, packages: Sequence[str], without: Iterable[str] = ()) -> list[Path]:
    """Download `packages` and all they depend on, except `without`; return the package files, sorted."""
    empty = suite.folder / "none"
    (empty / "partial").mkdir(parents=True, exist_ok=True)
    # asked with an empty archive folder, --print-uris names every file of the closure: 'uri' name size hash
    install = ["-y", "install", *packages]
    listing = _run(["apt-get", *suite.options, f"-oDir::Cache::archives={empty}", "--print-uris", *install])
    names = [line.split()[1] for line in listing.splitlines() if line.startswith("'")]
    if any(not (suite.archives / name).exists() for name in names):
        _fetch(suite, ["--download-only", *install], suite.folder)
    unwanted = set(without)
    return sorted(suite.archives / name for name in names if name.split("_")[0] not in unwanted)


def download(suite: Suite, packages: Sequence[str], into: Path) -> list[Path]:
    """Download exactly `packages`, without their dependencies, to the folder `into`; return the files, sorted."""
    into.mkdir(parents=True, exist_ok=True)
    _fetch(suite, ["download", *packages], into)
    return sorted(path for path in into.glob("*.deb") if path.name.split("_")[0] in packages)


def unpack(debs: Sequence[Path], into: Path) -> None:
    """Unpack package files over each other into the folder `into`; no maintainer script runs.

    Unpacking is bound by decompression, so a few packages go at a time.
    """
    into.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        list(pool.map(lambda deb: _unpack_one(deb, into), debs))


def _unpack_one(deb: Path, into: Path) -> None:
    skip = [f"--exclude={pattern}" for pattern in NOT_UNPACKED]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as reader:
        tar = ["tar", "-C", str(into), "--keep-directory-symlink", *skip, "-xf", "-"]
        writer = subprocess.run(tar, stdin=reader.stdout, stderr=subprocess.PIPE, text=True, check=False)
    if reader.returncode or writer.returncode:
        raise TestbedError(f"cannot unpack {deb.name}: {writer.stderr.strip()}", f"delete {deb} and try again")


def _fetch(suite: Suite, arguments: Sequence[str], cwd: Path) -> None:
    command = ["apt-get", *suite.options, *arguments]
    try:
        _run(command, cwd=cwd)
    except TestbedError:
        update(suite)  # lists kept from an earlier day may name files that the archive has replaced
        _run(command, cwd=cwd)


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        what = next((word for word in command[1:] if not word.startswith("-")), "")
        reason = done.stderr.strip().splitlines() or ["no message"]
        raise TestbedError(f"apt-get {what} failed: {reason[-1]}", "check that `apt-get update` works on this machine")
    return done.stdout
