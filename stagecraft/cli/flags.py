"""Flags that several commands share."""

from __future__ import annotations

from stagecraft_hookspecs.commands import Flag

SERVICE = Flag("service", "only these services", default=(), metavar="A,B", complete="service")
HOST = Flag("host", "only these hosts", default=(), metavar="A,B", complete="host")
ROLE = Flag("role", "only hosts with these roles", default=(), metavar="A,B", complete="role")
#: What commands over hosts choose by.
SELECTION = (SERVICE, HOST, ROLE)
