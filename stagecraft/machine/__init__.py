"""Machines: hosts to act on. This one is a host like any other."""

from stagecraft.machine.local import LocalMachine

__all__ = ["LocalMachine"]
