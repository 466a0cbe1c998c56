"""What the frontend says of a project."""

from __future__ import annotations

import pytest
from stagecraft_hookspecs.contract.doubles import MemoryFolder
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import Build, Detected, Project
from stagecraft_vite.config import BuildConfig, DevConfig, ViteConfig
from stagecraft_vite.frontend import Vite

PAGE = {"web/vite.config.ts": "", "web/package.json": '{"scripts": {"dev": "vite", "build": "vite build"}}'}
BUILT = {"api": {"build": {"context": "/srv/shop/api"}}, "site": {"build": {"context": "/srv/shop/web"}}}


def project(files: dict[str, str], services: dict[str, dict[str, object]] | None = None) -> Project:
    return Project("shop", "prod", MemoryFolder(files), {"web": {"image": "x"}} if services is None else services)


def build(config: BuildConfig | None = None, files: dict[str, str] | None = None) -> Build:
    found = Vite(ViteConfig(build=config or BuildConfig())).build(project(PAGE if files is None else files))
    assert found is not None
    return found


def test_detects_by_the_configuration_of_vite() -> None:
    assert Vite.detect(MemoryFolder({"vite.config.mjs": ""})) == Detected({}, "vite.config.mjs", 95)
    assert Vite.detect(MemoryFolder(PAGE)) == Detected({"dev": {"workdir": "./web"}}, "web/vite.config.ts", 95)
    assert Vite.detect(MemoryFolder({"site/vite.config.js": ""})) == Detected(
        {"dev": {"workdir": "./site"}}, "site/vite.config.js", 95
    )
    assert Vite.detect(MemoryFolder({"node_modules/vite.config.js": "", "package.json": "{}"})) is None


def test_develops_on_this_machine_alone_and_on_no_other_port() -> None:
    (process,) = Vite().dev(project(PAGE))
    assert process.command.argv == ("npx", "vite", "--host", "127.0.0.1", "--port", "5173", "--strictPort")
    assert process.command.cwd == "./web"
    assert (process.ready.port, process.ready.timeout) == (5173, 60.0)


def test_develops_with_a_command_of_the_users() -> None:
    config = ViteConfig(dev=DevConfig("./ui", 4000, ("pnpm", "dev", "--port", "{port}"), {"B": "2", "A": "1"}, 10.0))
    (process,) = Vite(config).dev(project({}))
    assert process.command.argv == ("pnpm", "dev", "--port", "4000")
    assert process.command.cwd == "./ui"
    assert dict(process.command.env) == {"A": "1", "B": "2"}
    assert (process.ready.port, process.ready.timeout) == (4000, 10.0)


@pytest.mark.parametrize(
    ("config", "services", "service"),
    [
        (ViteConfig("edge"), BUILT, "edge"),
        (ViteConfig(), BUILT, "site"),
        (ViteConfig(), {"frontend": {}, "www": {}}, "frontend"),
        (ViteConfig(), {"api": {}}, ""),
        (ViteConfig(), {"site": {"build": "./web"}}, "site"),
    ],
)
def test_finds_its_service(config: ViteConfig, services: dict[str, dict[str, object]], service: str) -> None:
    assert Vite(config).service(project(PAGE, services)) == service


def test_an_own_dockerfile_is_honoured() -> None:
    assert build(files={**PAGE, "web/Dockerfile": "FROM scratch"}) == Build("web", "./web", "Dockerfile")
    assert build(BuildConfig(dockerfile="ops/Page.Dockerfile")) == Build("web", "./web", "ops/Page.Dockerfile")


def test_without_one_the_page_is_built_and_served_by_nginx() -> None:
    built = build(files={**PAGE, "web/package-lock.json": "{}"})
    assert (built.service, built.context, built.dockerfile) == ("web", "./web", "Dockerfile")
    assert built.dockerfile_inline == (
        "FROM node:22-slim AS build\n"
        "WORKDIR /src\n"
        "COPY package.json package-lock.json* npm-shrinkwrap.json* pnpm-lock.yaml* yarn.lock* .npmrc* .yarnrc.yml* ./\n"
        "RUN npm ci\n"
        "COPY . .\n"
        "RUN npm run build\n"
        "\n"
        "FROM nginx:alpine\n"
        "COPY --from=build /src/dist /srv/www\n"
        "RUN printf '%s\\n' \\\n"
        "    'server {' \\\n"
        "    '    listen 80;' \\\n"
        "    '    root /srv/www;' \\\n"
        "    '    gzip on;' \\\n"
        "    '    gzip_types text/css application/javascript application/json image/svg+xml;' \\\n"
        "    '    location /assets/ {' \\\n"
        "    '        add_header Cache-Control \"public, max-age=31536000, immutable\";' \\\n"
        "    '        try_files $uri =404;' \\\n"
        "    '    }' \\\n"
        "    '    location / {' \\\n"
        "    '        add_header Cache-Control \"no-cache\";' \\\n"
        "    '        try_files $uri $uri/ /index.html;' \\\n"
        "    '    }' \\\n"
        "    '}' \\\n"
        "    > /etc/nginx/conf.d/default.conf\n"
        "EXPOSE 80\n"
    )


@pytest.mark.parametrize(
    ("lock", "install"),
    [
        ("package-lock.json", "RUN npm ci\n"),
        ("pnpm-lock.yaml", "pnpm install --frozen-lockfile\n"),
        ("yarn.lock", "yarn install --frozen-lockfile\n"),
        ("README.md", "RUN npm install\n"),
    ],
)
def test_installs_what_the_lock_file_says(lock: str, install: str) -> None:
    assert install in build(files={**PAGE, f"web/{lock}": ""}).dockerfile_inline


def test_serves_with_caddy_on_another_port_without_a_fallback() -> None:
    text = build(BuildConfig(server="registry.example.com/caddy:2", port=8080, fallback=False)).dockerfile_inline
    assert "FROM registry.example.com/caddy:2\n" in text
    assert "':8080 {'" in text
    assert "try_files" not in text
    assert "> /etc/caddy/Caddyfile\nEXPOSE 8080\n" in text
    assert "try_files {path} {path}/ /index.html" in build(BuildConfig(server="caddy:2")).dockerfile_inline


def test_arguments_reach_the_build() -> None:
    built = build(BuildConfig(args={"VITE_TITLE": "Shop & Co"}))
    assert dict(built.args) == {"VITE_TITLE": "Shop & Co"}
    assert "ARG VITE_TITLE\nENV VITE_TITLE=$VITE_TITLE\nRUN npm run build\n" in built.dockerfile_inline
    assert "Shop & Co" not in built.dockerfile_inline


@pytest.mark.parametrize(
    "config",
    [
        BuildConfig(builder="node:22\nRUN rm -rf /"),
        BuildConfig(server="httpd:2"),
        BuildConfig(server="-nginx"),
        BuildConfig(output="../../etc"),
        BuildConfig(output="dist; rm -rf /"),
        BuildConfig(script="build && curl"),
        BuildConfig(args={"A B": "1"}),
    ],
)
def test_names_that_are_none_are_refused(config: BuildConfig) -> None:
    with pytest.raises(UserError):
        build(config)


def test_without_a_service_nothing_is_built() -> None:
    assert Vite().build(project(PAGE, {"api": {}})) is None
