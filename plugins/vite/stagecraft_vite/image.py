"""Write the Dockerfile of a page that has none: build with Node, serve the files with a small static server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import UserError

if TYPE_CHECKING:
    from stagecraft_vite.config import BuildConfig

_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:@-]*\Z")
_PATH = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._/-]*\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.-]*\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

#: Package manager to how it installs what the lock file says, and without a lock file.
_INSTALL = {
    "npm": ("npm ci", "npm install"),
    "pnpm": ("corepack enable pnpm && pnpm install --frozen-lockfile", "pnpm install"),
    "yarn": ("corepack enable yarn && yarn install --frozen-lockfile", "yarn install"),
}
_MANIFESTS = "package.json package-lock.json* npm-shrinkwrap.json* pnpm-lock.yaml* yarn.lock* .npmrc* .yarnrc.yml*"

#: https://nginx.org/en/docs/http/ngx_http_core_module.html#try_files. Files with a hash in their name never change.
_NGINX = """\
server {{
    listen {port};
    root /srv/www;
    gzip on;
    gzip_types text/css application/javascript application/json image/svg+xml;
    location /assets/ {{
        add_header Cache-Control "public, max-age=31536000, immutable";
        try_files $uri =404;
    }}
    location / {{
        add_header Cache-Control "no-cache";
        try_files $uri $uri/ {fallback};
    }}
}}
"""

#: https://caddyserver.com/docs/caddyfile/directives/try_files
_CADDY = """\
{{
    admin off
    auto_https off
}}
:{port} {{
    root * /srv/www
    encode gzip
    @asset {{
        path /assets/*
        file
    }}
    header @asset Cache-Control "public, max-age=31536000, immutable"
    handle /assets/* {{
        file_server
    }}
    handle {{
        header Cache-Control "no-cache"
{fallback}        file_server
    }}
}}
"""


def dockerfile(config: BuildConfig, manager: str, locked: bool) -> str:
    """Return a Dockerfile for the page.

    Args:
        manager: ``npm``, ``pnpm`` or ``yarn``.
        locked: Whether the lock file is there; only then the build can be repeated.

    Raises:
        UserError: A name in the configuration could be read as something else than a name.
    """
    _check(config)
    names = sorted(config.args)
    arguments = "".join(f"ARG {name}\nENV {name}=${name}\n" for name in names)
    path, conf = _server(config)
    return f"""\
FROM {config.builder} AS build
WORKDIR /src
COPY {_MANIFESTS} ./
RUN {_INSTALL[manager][0 if locked else 1]}
COPY . .
{arguments}RUN {manager} run {config.script}

FROM {config.server}
COPY --from=build /src/{config.output.rstrip("/")} /srv/www
{_write(path, conf)}EXPOSE {config.port}
"""


def _server(config: BuildConfig) -> tuple[str, str]:
    """Return where the server's configuration lies in its image, and the configuration."""
    name = config.server.rpartition("/")[2].partition("@")[0].partition(":")[0]
    if "nginx" in name:
        fallback = "/index.html" if config.fallback else "=404"
        return "/etc/nginx/conf.d/default.conf", _NGINX.format(port=config.port, fallback=fallback)
    if "caddy" in name:
        fallback = "        try_files {path} {path}/ /index.html\n" if config.fallback else ""
        return "/etc/caddy/Caddyfile", _CADDY.format(port=config.port, fallback=fallback)
    raise UserError(
        f"the image {config.server!r} is neither one of nginx nor of Caddy",
        hint="use nginx:alpine or caddy:2 as `build.server`, or write a Dockerfile of your own",
    )


def _write(path: str, content: str) -> str:
    """Return the instruction that writes a file; printf instead of a here-document, which the classic builder lacks."""
    lines = " \\\n".join("    '" + line.replace("\\", "\\\\") + "'" for line in content.splitlines())
    return f"RUN printf '%s\\n' \\\n{lines} \\\n    > {path}\n"


def _check(config: BuildConfig) -> None:
    for key, value, pattern in (
        ("builder", config.builder, _IMAGE),
        ("server", config.server, _IMAGE),
        ("output", config.output, _PATH),
        ("script", config.script, _WORD),
        *(("args", name, _NAME) for name in config.args),
    ):
        if not pattern.match(value) or ".." in value.split("/"):
            raise UserError(
                f"frontend build.{key}: {value!r} cannot be used", hint="letters, digits, '.', '_', '-' and '/'"
            )
