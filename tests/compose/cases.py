"""The corpus: folders with compose files, and what `docker compose config --format json` printed for them.

`corpus/NAME/` holds the files of one case and `expected.json`; `case.json` may give `files`, `profiles`, `env_files`,
`project_name`, `environ` and `cwd` (a folder below). `refused/NAME/` holds what compose refuses, with `expected.txt`:
the errors that Stagecraft gives. `<DIR>` stands for the case's folder, `<UP>` for the one above.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import attrs

from stagecraft.compose import ComposeProject, load

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
REFUSED = HERE / "refused"
HOME = "/home/somebody"


@attrs.frozen
class Case:
    """One folder of the corpus and how compose is called there."""

    folder: Path
    files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    project_name: str | None = None
    environ: dict[str, str] = attrs.Factory(dict)
    cwd: str = "."

    @classmethod
    def of(cls, folder: Path) -> Case:
        """Read a case's folder."""
        path = folder / "case.json"
        given: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        lists: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        return cls(folder, **lists)

    def load(self) -> ComposeProject:
        """Load the case with Stagecraft."""
        return load(
            self.folder / self.cwd,
            [Path(name) for name in self.files] or None,
            {"HOME": HOME, **self.environ},
            profiles=self.profiles,
            env_files=[Path(name) for name in self.env_files] or None,
            project_name=self.project_name,
        )

    def ask_compose(self) -> subprocess.CompletedProcess[str]:
        """Run the real `docker compose config` on the case; the project's variables are all that it sees."""
        import os

        argv = [shutil.which("docker") or "docker", "compose"]
        for flag, values in (("-f", self.files), ("--profile", self.profiles), ("--env-file", self.env_files)):
            argv += [word for value in values for word in (flag, value)]
        argv += ["-p", self.project_name] if self.project_name else []
        kept = {key: os.environ[key] for key in ("PATH", "DOCKER_CONFIG") if key in os.environ}
        environ = {"HOME": HOME, **kept, **self.environ}
        return subprocess.run(
            [*argv, "config", "--format", "json"],
            cwd=self.folder / self.cwd,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def relative(self, value: Any) -> Any:
        """Write `<DIR>` for the case's folder in every string of `value`, and `<UP>` for the one above it."""
        if isinstance(value, str):
            return value.replace(str(self.folder), "<DIR>").replace(str(self.folder.parent), "<UP>")
        if isinstance(value, dict):
            return {key: self.relative(entry) for key, entry in value.items()}
        return [self.relative(entry) for entry in value] if isinstance(value, list) else value


def cases(root: Path) -> list[Case]:
    """Return the cases below `root`, by name."""
    return [Case.of(folder) for folder in sorted(root.iterdir()) if folder.is_dir()]
