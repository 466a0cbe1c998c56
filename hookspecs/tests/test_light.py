"""The contract imports pluggy and attrs, and costs next to nothing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import stagecraft_hookspecs

PACKAGE = Path(stagecraft_hookspecs.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")

#: Import every module with nothing but the standard library, pluggy, attrs and the contract to be found.
BLOCKED = """
import sys
before = set(sys.modules)
class Only:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in {"pluggy", "attr", "attrs", "stagecraft_hookspecs", *sys.stdlib_module_names}:
            raise ImportError(f"the contract must not import {name}")
sys.meta_path.insert(0, Only())
import importlib
for module in sys.argv[1:]:
    importlib.import_module(f"stagecraft_hookspecs.{module}")
new = {n: m for n, m in sys.modules.items() if n not in before}
third = {n.partition(".")[0] for n, m in new.items() if "site-packages" in (getattr(m, "__file__", None) or "")}
print(sorted(third - {"stagecraft_hookspecs"}))
"""


def test_imports_pluggy_and_attrs_only() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED, *MODULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    brought = set(json.loads(done.stdout.replace("'", '"')))
    assert brought <= {"attr", "attrs", "pluggy"}, brought


def test_the_doubles_need_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import stagecraft_hookspecs.contract.doubles"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_costs_little() -> None:
    """The figure to reach, 25 ms, is taken by the bench; this catches only what went thoroughly wrong."""
    code = "import time; t = time.process_time(); import stagecraft_hookspecs.{}; print(time.process_time() - t)"
    imports = ", stagecraft_hookspecs.".join(MODULES)
    costs = [
        float(subprocess.run([sys.executable, "-c", code.format(imports)], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    assert statistics.median(costs) < 0.25
