"""A strict model of the parts of Traefik's files that are rendered: keys and forms of values, from its documentation for 3.x.

Traefik refuses a file with a key that it does not know, so the model does too. It is ours: what it accepts, Traefik need not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], list[str]]


def form(pattern: str) -> Check:
    """Take text of a form."""
    return lambda value, at: (
        [] if isinstance(value, str) and re.fullmatch(pattern, value) else [f"{at}: {value!r} is not {pattern}"]
    )


def number(least: int) -> Check:
    """Take a whole number."""
    return lambda value, at: (
        [] if type(value) is int and value >= least else [f"{at}: {value!r} is no number >= {least}"]
    )


def flag(value: Any, at: str) -> list[str]:
    """Take true or false."""
    return [] if type(value) is bool else [f"{at}: {value!r} is neither true nor false"]


def items(check: Check) -> Check:
    """Take a list."""

    def take(value: Any, at: str) -> list[str]:
        if not isinstance(value, list):
            return [f"{at}: {value!r} is no list"]
        return [fault for index, one in enumerate(value) for fault in check(one, f"{at}[{index}]")]

    return take


def named(check: Check) -> Check:
    """Take a mapping from names to something."""

    def take(value: Any, at: str) -> list[str]:
        if not isinstance(value, dict) or not value:
            return [f"{at}: {value!r} is no mapping, or an empty one, which Traefik refuses standing alone"]
        wrong = [f"{at}: {name!r} is no name" for name in value if not re.fullmatch(r"[A-Za-z0-9~_.-]+", name)]
        return wrong + [fault for name, one in value.items() for fault in check(one, f"{at}.{name}")]

    return take


def keys(must: Mapping[str, Check], may: Mapping[str, Check] | None = None, *, one_of: bool = False) -> Check:
    """Take a mapping with these keys and no other; with ``one_of`` with exactly one of them."""
    known = {**must, **(may or {})}

    def take(value: Any, at: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{at}: {value!r} is no mapping"]
        wrong = [f"{at}: unknown key {name}" for name in sorted(value.keys() - known.keys())]
        if one_of and len(value) != 1:
            wrong.append(f"{at}: one key of {sorted(known)}, not {sorted(value)}")
        if not one_of:
            wrong += [f"{at}: no key {name}" for name in must if name not in value]
        return wrong + [f for name, one in value.items() if name in known for f in known[name](one, f"{at}.{name}")]

    return take


DURATION = form(r"\d+(\.\d+)?(ms|s|m|h)")
NAME = form(r"[A-Za-z0-9~_.-]+")
TEXT = form(r"[^\n]+")
PATH = form(r"/\S*")
ADDRESS = form(r"(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\])?:\d{1,5}")
DOMAIN = keys({"main": form(r"\S+")}, {"sans": items(form(r"\S+"))})
PAIR = keys({"certFile": PATH, "keyFile": PATH})

MIDDLEWARE = keys(
    {
        "buffering": keys({"maxRequestBodyBytes": number(1)}),
        "headers": keys({"customResponseHeaders": named(TEXT)}),
        "redirectRegex": keys({"regex": TEXT, "replacement": TEXT}, {"permanent": flag}),
        "redirectScheme": keys({"scheme": form("https?")}, {"port": form(r"\d+"), "permanent": flag}),
        "retry": keys({"attempts": number(1)}, {"initialInterval": DURATION}),
        "stripPrefix": keys({"prefixes": items(PATH)}),
    },
    one_of=True,
)
ROUTER = keys(
    {"rule": TEXT, "service": NAME},
    {
        "entryPoints": items(NAME),
        "middlewares": items(NAME),
        "priority": number(1),
        "tls": keys({}, {"certResolver": NAME, "domains": items(DOMAIN)}),
    },
)
BALANCER = keys(
    {"servers": items(keys({"url": form(r"http://(\[[0-9a-f:]+\]|[^\s:/\[\]]+):\d{1,5}")}))},
    {
        "serversTransport": NAME,
        "healthCheck": keys({"path": PATH}, {"interval": DURATION, "timeout": DURATION}),
    },
)
TRANSPORT = keys(
    {
        "forwardingTimeouts": keys(
            {}, dict.fromkeys(("dialTimeout", "idleConnTimeout", "responseHeaderTimeout"), DURATION)
        )
    }
)
DYNAMIC = keys(
    {
        "http": keys(
            {"middlewares": named(MIDDLEWARE)},
            {
                "routers": named(ROUTER),
                "services": named(keys({"loadBalancer": BALANCER}, one_of=True)),
                "serversTransports": named(TRANSPORT),
            },
        )
    },
    {
        "tls": keys(
            {"certificates": items(PAIR)},
            {"stores": keys({"default": keys({"defaultCertificate": PAIR})})},
        )
    },
)
ENTRY_POINT = keys(
    {"address": ADDRESS},
    {
        "transport": keys(
            {},
            {
                "lifeCycle": keys({}, {"graceTimeOut": DURATION}),
                "respondingTimeouts": keys({}, {"readTimeout": DURATION}),
            },
        ),
        "forwardedHeaders": keys({"trustedIPs": items(form(r"[0-9a-f.:/]+"))}),
    },
)
ACME = keys(
    {"storage": PATH},
    {
        "email": form(r"\S+@\S+"),
        "caServer": form(r"https://\S+"),
        "httpChallenge": keys({"entryPoint": NAME}),
        "tlsChallenge": keys({}),
    },
)
STATIC = keys(
    {
        "global": keys({"checkNewVersion": flag, "sendAnonymousUsage": flag}),
        "log": keys({"level": form("TRACE|DEBUG|INFO|WARN|ERROR")}),
        "entryPoints": named(ENTRY_POINT),
        "api": keys({}, {"insecure": flag, "dashboard": flag}),
        "providers": keys({"file": keys({"filename": PATH, "watch": flag}), "providersThrottleDuration": DURATION}),
    },
    {"certificatesResolvers": named(keys({"acme": ACME}))},
)


def references(static: dict[str, Any], dynamic: dict[str, Any]) -> list[str]:
    """Return the names that are used and stand for nothing."""
    http = dynamic["http"]
    wrong = []
    for name, router in http.get("routers", {}).items():
        used = {
            "entryPoints": (router.get("entryPoints", ()), static["entryPoints"]),
            "middlewares": (router.get("middlewares", ()), http["middlewares"]),
            "service": ([router["service"]], http["services"]),
            "certResolver": (
                [v for k, v in (router.get("tls") or {}).items() if k == "certResolver"],
                static.get("certificatesResolvers", {}),
            ),
        }
        wrong += [
            f"router {name}: {kind} {one}" for kind, (ones, there) in used.items() for one in ones if one not in there
        ]
    for name, service in http.get("services", {}).items():
        transport = service["loadBalancer"].get("serversTransport")
        if transport and transport not in http["serversTransports"]:
            wrong.append(f"service {name}: serversTransport {transport}")
    return wrong


_TOKEN = re.compile(r"\s*(?:(?P<match>(?:Host|Path|PathPrefix)\(`[^`\n]+`\))|(?P<sign>&&|\|\||\(|\)))")


def rule_matches(rule: str, host: str, path: str) -> bool:
    """Tell whether a request fits a rule, as the documentation has it: ``&&`` before ``||``, matchers by host and path."""
    tokens, at = [], 0
    while at < len(rule):
        found = _TOKEN.match(rule, at)
        assert found, f"{rule!r} is no rule from character {at}"
        tokens.append(found["match"] or found["sign"])
        at = found.end()
    words = {"&&": "and", "||": "or", "(": "(", ")": ")"}
    return bool(eval(" ".join(words.get(t) or str(_one(t, host, path)) for t in tokens)))


def _one(matcher: str, host: str, path: str) -> bool:
    kind, value = matcher[:-2].split("(`")
    return {"Host": host == value, "Path": path == value, "PathPrefix": path.startswith(value)}[kind]
