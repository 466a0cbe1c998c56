"""A route's id as a name in Traefik's files, and back. Pure."""

from __future__ import annotations

import re

PROVIDER = "@file"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_HEX = "~"


def name_of(identity: str) -> str:
    """Return the name: the id itself where it is plain. ``@`` would name another provider, braces a template."""
    return identity if _PLAIN.fullmatch(identity) else _HEX + identity.encode().hex()


def id_of(name: str) -> str:
    """Return the id of a name as Traefik tells it, with its provider."""
    own = name.removesuffix(PROVIDER)
    if not own.startswith(_HEX):
        return own
    try:
        return bytes.fromhex(own.removeprefix(_HEX)).decode()
    except ValueError:
        return own


def entry_point(bind: str, listen: int) -> str:
    """Return the name of the entry point on an address and port."""
    return f"p{listen}" + (f"-{bind.encode().hex()}" if bind else "")
