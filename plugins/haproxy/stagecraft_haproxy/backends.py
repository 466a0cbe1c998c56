"""Write the part of the configuration that belongs to one route. All pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stagecraft_hookspecs.proxy import Route

from stagecraft_haproxy import matching, names
from stagecraft_haproxy.quoting import seconds, template, word

#: How a server is watched: a connection (or the route's check) every two seconds, two failures take it out, one success
#: brings it back, looked for twice a second, since it may be a route's only one. A connection that fails for a user counts as
#: the first failure. At runtime no defaults apply, so every server says all of it.
WATCH = (
    "check inter 2s fastinter 500ms downinter 500ms fall 2 rise 1 observe layer4 error-limit 1 on-error sudden-death"
)
TIMEOUT = 60.0
IDLE = 3600.0
_TEXT = "content-type text/plain string"


def section(route: Route, routes: Iterable[Route]) -> Iterator[str]:
    """Yield the lines of a route's backend; ``routes`` are all of them, among which a redirect finds its aim."""
    yield f"backend {names.backend(route.id)}"
    if route.redirect:
        yield f"    http-request redirect location {_location(route, routes)} code 308"
        return
    if route.limits.body:
        # the length of a chunked body shows only as it passes
        yield f"    http-request return status 411 {_TEXT} 'say how long it is' if {{ req.hdr(transfer-encoding) -m found }}"
        yield f"    http-request deny deny_status 413 if {{ req.body_size gt {route.limits.body} }}"
    path = matching.prefix(route.path)
    if route.strip and path:
        yield f"    http-request set-header X-Forwarded-Prefix {template(path)}"
        yield f"    http-request set-path /%[path,bytes({len(path.encode()) + 1})]"
    # only what can be repeated without harm is sent twice; anything else only when it was not sent at all
    yield "    retry-on conn-failure empty-response"
    yield "    http-request disable-l7-retry unless { method GET HEAD OPTIONS }"
    yield f"    timeout server {seconds(route.limits.timeout or TIMEOUT)}"
    yield f"    http-response set-timeout server {seconds(route.limits.idle or IDLE)}"
    yield f"    timeout tunnel {seconds(route.limits.idle or IDLE)}"
    yield f"    errorfile 503 {names.page(route.id)}"
    if route.check:
        yield "    option httpchk"
        host = route.hosts[0].removeprefix("*.") if route.hosts else "localhost"
        uri, name = template(route.check), template(host)
        yield f"    http-check send meth GET uri {uri} ver HTTP/1.1 hdr Host {name} hdr User-Agent stagecraft-haproxy"
        yield "    http-check expect status 100-399"
    for name in sorted(names.server(target) for target in route.targets):
        yield f"    server {name} {names.address(name)} {WATCH}"


def _location(route: Route, routes: Iterable[Route]) -> str:
    """Return where a redirect leads, as one word of the configuration."""
    if route.redirect != "https":
        scheme, usual = ("http", 80) if route.tls == "off" else ("https", 443)
        port = "" if route.listen == usual else f":{route.listen}"
        return word(f"{scheme}://{route.redirect.replace('%', '%%')}{port}%[pathq]")
    secure = [r for r in routes if r.tls != "off" and not r.redirect]
    near = [r.listen for r in secure if r.service == route.service] or [r.listen for r in secure]
    port = "" if not near or 443 in near else f":{min(near)}"
    return word(f"https://%[var(txn.host)]{port}%[pathq]")
