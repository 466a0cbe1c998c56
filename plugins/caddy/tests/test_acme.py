"""Certificates by ACME, from a real authority on this machine: Caddy's own ACME server in another container."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from stagecraft_caddy.config import Config
from stagecraft_caddy.proxy import Caddy
from stagecraft_container_proxy.contract.certificates import trusting
from stagecraft_container_proxy.contract.lab import Lab, docker, eventually, free_port, own_loopback

pytestmark = pytest.mark.needs("docker")
HOST = "shop.test"
ROOT = "/data/caddy/pki/authorities/local/root.crt"


@attrs.frozen
class Authority:
    """Hold where the authority answers, and the root that it signs with."""

    directory: str
    root: str
    container: str


def configuration(address: str, port: int, challenge: str) -> dict[str, Any]:
    """Return an ACME server on an address whose own certificate is by the same root."""
    answers = {"handle": [{"handler": "acme_server", "challenges": [challenge]}]}
    server = {
        "listen": [f"{address}:{port}"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{"default_sni": address}],
        "routes": [answers],
    }
    internal = {"policies": [{"issuers": [{"module": "internal"}]}]}
    return {
        "admin": {"disabled": True},
        "storage": {"module": "file_system", "root": "/data/caddy"},
        "apps": {
            "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
            "tls": {"automation": internal, "certificates": {"automate": [address]}},
            "http": {"servers": {"acme": server}},
        },
    }


@pytest.fixture(params=["http-01", "tls-alpn-01"])
def authority(request: pytest.FixtureRequest, lab: Lab, image: str, tmp_path: Path) -> Iterator[Authority]:
    """Run an authority that finds the shop at the lab's address, and proves it by one kind of challenge."""
    address = own_loopback()
    port, file = free_port(address), tmp_path / "authority.json"
    file.write_text(json.dumps(configuration(address, port, request.param)))
    flags = ("--network", "host", "--add-host", f"{HOST}:{lab.address}", "-v", f"{file}:/authority.json:ro")
    container = docker("run", "-d", *flags, image, "caddy", "run", "--config", "/authority.json")
    try:
        root = eventually(lambda: _cat(container, ROOT))
        yield Authority(f"https://{address}:{port}/acme/local/directory", root, container)
    finally:
        docker("rm", "-fv", container)


def _cat(container: str, path: str) -> str:
    done = subprocess.run(["docker", "exec", container, "cat", path], capture_output=True, text=True)
    return done.stdout if "END CERTIFICATE" in done.stdout else ""


def test_a_certificate_is_issued_and_kept(lab: Lab, authority: Authority) -> None:
    """The shop answers over TLS with the authority's certificate, by either challenge, and again after a restart without it."""
    (lab.root / "ca.pem").write_text(authority.root)
    lab.proxy = Caddy(Config(acme_ca=authority.directory, acme_ca_root="ca.pem", acme_email="ops@shop.test"))
    web = lab.app("web")
    lab.ensure(
        lab.route(web, id="web-443", listen=443, hosts=(HOST,), tls="acme"),
        lab.route(id="web-80", listen=80, hosts=(HOST,), redirect="https"),
    )

    def answer() -> Any:
        try:
            return lab.ask(host=HOST, port=443, tls=trusting(authority.root))
        except ssl.SSLError:
            return None  # not issued yet

    assert eventually(answer, 60).who == "web"
    redirected = lab.ask(host=HOST, port=80)
    assert (redirected.status, redirected.headers["location"]) == (308, f"https://{HOST}/")
    docker("rm", "-fv", authority.container)
    docker("restart", "--time", "1", lab.container)
    assert eventually(answer).who == "web"
