"""Faults, injected at every point where they can happen; `python -m tests.faults.durability`, `python -m tests.faults.races`."""
