"""Recognise an application by its folder, for ``stagecraft init``."""

from __future__ import annotations

import json
from typing import Any

from stagecraft_hookspecs.values import Detected, Folder


def detect(folder: Folder, names: tuple[str, ...]) -> Detected | None:
    """Return what the first folder of one of the names tells: its package's dev script, or just its Dockerfile."""
    for name in names:
        if folder.exists(f"{name}/package.json"):
            scripts = _scripts(folder, f"{name}/package.json")
            config: dict[str, Any] = {"service": name}
            if "dev" in scripts:
                config["dev"] = {"command": ["npm", "run", "dev"], "workdir": f"./{name}"}
            return Detected(config, f"{name}/package.json", 30)
        if folder.exists(f"{name}/Dockerfile"):
            return Detected({"service": name}, f"{name}/Dockerfile", 20)
    return None


def _scripts(folder: Folder, path: str) -> dict[str, Any]:
    try:
        document = json.loads(folder.read(path))
    except ValueError:
        return {}
    scripts = document.get("scripts") if isinstance(document, dict) else None
    return scripts if isinstance(scripts, dict) else {}
