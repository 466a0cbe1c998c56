"""Turn routes into HAProxy's configuration. Pure: the same routes give the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping

import attrs
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.proxy import ProxyRenderer, Route
from stagecraft_hookspecs.values import File, Finding

from stagecraft_haproxy import lints, matching, names, pages
from stagecraft_haproxy.backends import section
from stagecraft_haproxy.config import Config
from stagecraft_haproxy.quoting import seconds, word

#: What a route may need before its answer begins, and the connections of users who only read.
_CLIENT = 60.0


class HaproxyRenderer(ProxyRenderer):
    """Render ``haproxy.cfg``, a list of certificates per listener, and the plain maintenance page."""

    def render(self, routes: tuple[Route, ...]) -> Mapping[str, File]:
        """Return the configuration with the routes' targets."""
        return build(routes, self.config or Config())

    def findings(self, routes: tuple[Route, ...]) -> tuple[Finding, ...]:
        """Return what HAProxy cannot do of these routes, and what contradicts itself."""
        return lints.findings(routes)


def build(
    routes: tuple[Route, ...], config: Config, *, without: Collection[int] = (), content: str = ""
) -> dict[str, File]:
    """Return the files by path, relative to the proxy's folder.

    Args:
        without: Ports that are not listened on yet.
        content: Digest of the files that the routes name; another one makes another structure.

    Raises:
        UserError: A value that no configuration can hold, or a route that HAProxy cannot serve.
    """
    for finding in lints.findings(routes):
        if finding.severity == "error":
            raise UserError(finding.message, hint=finding.hint)
    ordered = tuple(sorted(routes, key=lambda r: r.id))
    bare = tuple(attrs.evolve(r, targets=()) for r in ordered)
    lists = {_list(r): _certificates(r, ordered) for r in ordered if r.tls == "given" and r.listen not in without}
    shape = "\n".join([*_lines(bare, config, without, ""), *(f"{k}\n{v}" for k, v in sorted(lists.items())), content])
    structure = hashlib.sha256(shape.encode()).hexdigest()[:16]
    text = "\n".join(_lines(ordered, config, without, structure)) + "\n"
    plain = {names.page(r.id): File(pages.answer(pages.PLAIN)) for r in ordered if not r.page and not r.redirect}
    return {
        names.CONFIG: File(text.encode()),
        **{path: File(text.encode()) for path, text in sorted(lists.items())},
        **plain,
    }


def structure_of(text: bytes) -> str:
    """Return the digest that a rendered configuration carries, which the running proxy tells as its description."""
    for line in text.decode(errors="replace").splitlines():
        if line.startswith("    description "):
            return line.split()[-1]
    return ""


def _lines(routes: tuple[Route, ...], config: Config, without: Collection[int], structure: str) -> Iterator[str]:
    yield "# Written by Stagecraft; what is changed here is lost at the next deploy."
    yield from _global(config, structure)
    for bind, port in sorted({(r.bind, r.listen) for r in routes if r.listen not in without}):
        yield ""
        yield from _frontend(tuple(r for r in routes if (r.bind, r.listen) == (bind, port)), config)
    yield ""
    yield f"backend {names.NONE}"
    yield "    http-request return status 404 content-type text/plain string 'no such page here'"
    for route in routes:
        yield ""
        yield from section(route, routes)


def _global(config: Config, structure: str) -> Iterator[str]:
    yield "global"
    yield f"    description {structure}"
    yield "    log stdout format raw local0"
    # root binds the ports and reads the certificates; requests are served without any right
    yield "    uid 99"
    yield "    gid 99"
    yield f"    maxconn {config.maxconn}"
    # a host that allows fewer files serves fewer connections, rather than none
    yield "    no strict-limits"
    yield f"    stats socket {names.RUN}/admin.sock mode 600 level admin expose-fd listeners"
    yield f"    hard-stop-after {seconds(config.reload_grace)}"
    yield "    default-path config"
    yield "    lua-load worker.lua"
    yield "    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets"
    yield "    tune.ssl.default-dh-param 2048"
    yield ""
    yield "defaults"
    yield "    mode http"
    yield "    log global"
    yield "    option httplog"
    yield "    option dontlog-normal"
    yield "    option dontlognull"
    # every request gets a connection of its own to its target: none is lost on one that the target just closed
    yield "    option http-server-close"
    yield "    option redispatch 1"
    yield "    retries 3"
    yield "    timeout connect 2s"
    yield "    timeout check 2s"
    yield "    timeout queue 10s"
    yield "    timeout http-request 30s"
    yield "    timeout http-keep-alive 60s"
    yield f"    timeout client {seconds(_CLIENT)}"
    yield f"    timeout server {seconds(_CLIENT)}"


def _frontend(routes: tuple[Route, ...], config: Config) -> Iterator[str]:
    one = routes[0]
    secure = any(r.tls == "given" for r in routes)
    tls = f" ssl crt-list {_list(one)} alpn h2,http/1.1" if secure else ""
    yield f"frontend {names.frontend(one.bind, one.listen)}"
    if one.bind:
        yield f"    bind {word(names.address(f'{one.bind}:{one.listen}'))}{tls}"
    else:
        yield f"    bind 0.0.0.0:{one.listen}{tls}"
        yield "    .if defined(STAGECRAFT_IPV6)"
        yield f"    bind [::]:{one.listen} v6only{tls}"
        yield "    .endif"
    # at a reload idle connections get one more answer instead of being cut
    yield "    option idle-close-on-response"
    yield f"    timeout client {seconds(max([_CLIENT, *(r.limits.timeout for r in routes)]))}"
    yield from _forwarded(config, secure)
    yield "    http-request set-var(txn.host) req.fhdr(host),host_only,lower"
    for rule in matching.rules(routes):
        condition = matching.condition(rule)
        yield f"    use_backend {names.backend(rule.route)}{f' if {condition}' if condition else ''}"
    yield f"    default_backend {names.NONE}"


def _forwarded(config: Config, secure: bool) -> Iterator[str]:
    """Tell the service who asks: what a client claims about itself is dropped unless it is a trusted load balancer."""
    unless = ""
    if config.trusted_proxies:
        yield f"    acl trusted src -- {' '.join(word(a) for a in config.trusted_proxies)}"
        unless = " unless trusted"
    yield f"    http-request del-header X-Forwarded-For{unless}"
    yield f"    http-request del-header X-Forwarded-Prefix{unless}"
    yield f"    http-request del-header Forwarded{unless}"
    yield "    option forwardfor"
    for header, value in (("Proto", "https" if secure else "http"), ("Host", "%[req.fhdr(host)]")):
        name = f"X-Forwarded-{header}"
        found = f" unless trusted {{ req.hdr({name}) -m found }}" if config.trusted_proxies else ""
        yield f"    http-request set-header {name} {value}{found}"


def _list(route: Route) -> str:
    return f"certs/{names.frontend(route.bind, route.listen)}.list"


def _certificates(route: Route, routes: tuple[Route, ...]) -> str:
    """Return the certificates of a route's listener, each with the names that it is shown for."""
    shown: dict[str, list[tuple[str, ...]]] = {}
    for r in routes:
        if r.tls == "given" and (r.bind, r.listen) == (route.bind, route.listen):
            shown.setdefault(names.pem(r.certificate, r.key), []).append(r.hosts)
    return "".join(f"{' '.join([path, *_names(hosts)])}\n" for path, hosts in shown.items())


def _names(hosts: list[tuple[str, ...]]) -> list[str]:
    """Return the names that a certificate is shown for; none where a route takes any host: then its own names count."""
    return sorted({h.lower() for some in hosts for h in some}) if all(hosts) else []
