"""Give every test folder of the project the marker `needs`; its implementation is tools/needs.py."""

from __future__ import annotations

pytest_plugins = ["tools.needs"]
