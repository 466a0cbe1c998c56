"""Decide which route takes a request: host names before any host, then the longest path. All pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs
from stagecraft_hookspecs.proxy import Route

from stagecraft_haproxy.quoting import word


@attrs.frozen(order=True)
class Rule:
    """Send what one condition matches to one route. Rules sort into the order in which they are tried.

    Attributes:
        rank: 0 for a host name, 1 for a wildcard, 2 for any host.
        host_length, path_length: Negative, so that the longer comes first.
    """

    rank: int
    host_length: int
    path_length: int
    path: str
    hosts: tuple[str, ...]
    route: str


def rules(routes: Iterable[Route]) -> tuple[Rule, ...]:
    """Return the rules of one listener's routes, in the order in which they are tried."""
    return tuple(sorted(rule for route in routes for rule in _of(route)))


def _of(route: Route) -> Iterator[Rule]:
    path = prefix(route.path)
    exact = tuple(sorted({h.lower() for h in route.hosts if not h.startswith("*.")}))
    if exact:
        yield Rule(0, 0, -len(path), path, exact, route.id)
    for wildcard in sorted({h.lower() for h in route.hosts if h.startswith("*.")}):
        yield Rule(1, -len(wildcard), -len(path), path, (wildcard,), route.id)
    if not route.hosts:
        yield Rule(2, 0, -len(path), path, (), route.id)


def prefix(path: str) -> str:
    """Return a path prefix without the slash at its end; empty for all paths."""
    return "/" + path.strip("/") if path.strip("/") else ""


def condition(rule: Rule) -> str:
    """Return a rule's condition in HAProxy's words; empty when it takes everything."""
    parts = []
    if rule.rank == 0:
        parts.append(f"{{ var(txn.host) -m str -- {' '.join(word(h) for h in rule.hosts)} }}")
    elif rule.rank == 1:
        parts.append(f"{{ var(txn.host) -m end -- {word(rule.hosts[0][1:])} }}")
    if not rule.path:
        return " ".join(parts)
    # whole segments: /api takes /api and /api/x, not /apix
    whole, below = (f"{{ path -m {how} -- {word(value)} }}" for how, value in _paths(rule.path))
    return " or ".join(" ".join([*parts, path]) for path in (whole, below))


def _paths(path: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("str", path), ("beg", f"{path}/")


def same(one: Route, other: Route) -> bool:
    """Tell whether two routes take the same requests."""
    return (one.bind, one.listen, prefix(one.path)) == (other.bind, other.listen, prefix(other.path)) and sorted(
        h.lower() for h in one.hosts
    ) == sorted(h.lower() for h in other.hosts)
