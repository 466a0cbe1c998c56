"""Reading the configuration stands at the start of every command, so it imports little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from stagecraft.config.assemble import BLOCK_KINDS
from stagecraft.kernel.kinds import KINDS

PROGRAM = """
import sys, json
from pathlib import Path
import attrs, yaml, cattrs
before = set(sys.modules)
from stagecraft.config import find, read, resolve
from stagecraft_hookspecs.provider import Provider
path = find(Path(sys.argv[1]), None, {})
resolve(read(path, {}), "prod", lambda kind, name, where: Provider, {})
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_a_usual_file_needs_no_heavy_module(tmp_path: Path) -> None:
    (tmp_path / "stagecraft.yml").write_text(
        "project: {name: a}\nruntime: x\nhosts: {app: [b]}\nrollout: {soak: 3s}\nenvironments: {prod: {}}\n"
    )
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    loaded = json.loads(run.stdout)
    heavy = {
        "tomllib",
        "jsonschema",
        "difflib",
        "subprocess",
        "shutil",
        "tempfile",
        "importlib.metadata",
        "docker",
        "pluggy",
    }
    # The contract's package imports pluggy; everything else is ours.
    assert heavy & set(loaded) <= {"pluggy"}
    own = {name for name in loaded if name.startswith("stagecraft.")}
    assert {name.split(".")[1] for name in own} == {"config", "text_input", "yaml_marks", "yaml_reader", "yaml_scalars"}
    assert not own & {"stagecraft.config.json_schema", "stagecraft.config.plain", "stagecraft.config.toml_marks"}


def test_the_kinds_are_those_of_the_kernel() -> None:
    assert (*BLOCK_KINDS, "migration") == (*(k for k in KINDS if k != "migration"), "migration")
