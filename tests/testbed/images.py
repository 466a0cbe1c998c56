"""Make the images that example Dockerfiles name, from Debian packages: nothing can be pulled in the testbed.

An image is made when it is first asked for; its archive is kept in the cache folder, from which a new engine
gets it in a second or so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import roots
from .handles import TestHost
from .layout import Layout, TestbedError, default_layout
from .recipes import RECIPES, Recipe, recipe_for

TAGS = tuple(sorted(tag for recipe in RECIPES for tag in recipe.tags))


def ensure(*tags: str, layout: Layout | None = None, environment: Mapping[str, str] | None = None) -> None:
    """Make sure that the engine of `environment` (default: this process's) has the images `tags`.

    An engine with a registry within reach need not build them: only tags that it lacks are made.
    """
    layout = layout or default_layout()
    whole = {**os.environ, **(environment or {})}
    for tag in tags:
        if _docker(whole, "image", "inspect", "--format", "{{.Id}}", tag).returncode == 0:
            continue
        recipe = recipe_for(tag)
        if recipe is None:
            known = ", ".join(TAGS)
            raise TestbedError(
                f"the testbed has no recipe for the image {tag}", f"add one to recipes.py; known: {known}"
            )
        _load(recipe, archive(layout, recipe), whole)


def put(host: TestHost, *tags: str) -> None:
    """Make sure that a host's engine has the images `tags`: made ones from their archives, others as the machine's
    engine has them, with the same id."""
    outside = {"DOCKER_HOST": host.docker_host, "DOCKER_CONFIG": str(host.layout.root / "docker-config")}
    outside["PATH"] = f"{host.layout.bin}:{os.environ.get('PATH', '')}"
    for tag in tags:
        if recipe_for(tag):
            ensure(tag, layout=host.layout, environment=outside)
        else:
            _copy(tag, {**os.environ, **outside})


def root_for(layout: Layout, recipe: Recipe) -> Path:
    """Return the recipe's root file system; made once, then kept."""
    return roots.build(layout, recipe.key, recipe.suite, recipe.packages, recipe.without, recipe.finish)


def archive(layout: Layout, recipe: Recipe) -> Path:
    """Return the recipe's root file system as a tar; made once, then kept in the place of earlier ones."""
    tar = layout.images / f"{recipe.key}.tar"
    if not tar.exists():
        root = root_for(layout, recipe)
        layout.images.mkdir(parents=True, exist_ok=True)
        draft = tar.with_suffix(".part")
        command = ["tar", "-C", str(root), "--sort=name", "--numeric-owner", "-cf", str(draft), "."]
        subprocess.run(command, check=True)
        for earlier in layout.images.glob(f"{recipe.name}-*.tar"):
            earlier.unlink()
        draft.rename(tar)
        if not recipe.runs_here:
            shutil.rmtree(root)
    return tar


def _load(recipe: Recipe, tar: Path, environment: Mapping[str, str]) -> None:
    changes = [word for setting in recipe.settings for word in ("--change", setting)]
    done = _docker(environment, "import", *changes, str(tar), recipe.tags[0])
    if done.returncode:
        raise TestbedError(
            f"cannot import the image {recipe.tags[0]}: {done.stderr.strip()}", f"delete {tar} and try again"
        )
    for tag in recipe.tags[1:]:
        _docker(environment, "tag", recipe.tags[0], tag)


def _copy(tag: str, environment: Mapping[str, str]) -> None:
    """Copy an image from the engine of this process to that of `environment`."""
    with subprocess.Popen(["docker", "save", tag], stdout=subprocess.PIPE) as reader:
        command = ["docker", "load", "--quiet"]
        loaded = subprocess.run(command, env=dict(environment), stdin=reader.stdout, capture_output=True, check=False)
    if reader.returncode or loaded.returncode:
        raise TestbedError(f"cannot copy the image {tag} to a host", "is it there? see `docker image ls`")


def _docker(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], env=dict(environment), capture_output=True, text=True, check=False)
