"""Certificates by ACME, from a real authority on this machine: Caddy's ACME server, in a container of its own."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from stagecraft_hookspecs.proxy import Proxy

from stagecraft_container_proxy.contract.base import Base
from stagecraft_container_proxy.contract.certificates import trusting
from stagecraft_container_proxy.contract.lab import Lab, docker, eventually, free_port, own_loopback

IMAGE = "caddy:2"
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


@contextlib.contextmanager
def authority(lab: Lab, challenge: str) -> Iterator[Authority]:
    """Run an authority that finds the shop at the lab's address, and proves it by one kind of challenge."""
    address = own_loopback()
    port, file = free_port(address), lab.root / "authority.json"
    file.write_text(json.dumps(configuration(address, port, challenge)))
    flags = ("--network", "host", "--add-host", f"{HOST}:{lab.address}", "-v", f"{file}:/authority.json:ro")
    container = docker("run", "-d", *flags, IMAGE, "caddy", "run", "--config", "/authority.json")
    try:
        root = eventually(lambda: _cat(container, ROOT))
        yield Authority(f"https://{address}:{port}/acme/local/directory", root, container)
    finally:
        docker("rm", "-fv", container)


def _cat(container: str, path: str) -> str:
    done = subprocess.run(["docker", "exec", container, "cat", path], capture_output=True, text=True, check=False)
    return done.stdout if "END CERTIFICATE" in done.stdout else ""


class AcmeSuite(Base):
    """Give the fixture ``proxy`` and the method ``asking``."""

    def asking(self, directory: str, root: str) -> Proxy:
        """Return a proxy that asks the ACME server at ``directory``, whose root is the project's file ``root``."""
        raise NotImplementedError

    @pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
    def test_a_certificate_is_issued_and_kept(self, lab: Lab, challenge: str) -> None:
        """The shop answers with the authority's certificate, and again after a restart when there is no authority any more."""
        with authority(lab, challenge) as issuer:
            (lab.root / "ca.pem").write_text(issuer.root)
            lab.proxy = self.asking(issuer.directory, "ca.pem")
            secure = lab.route(lab.app("web"), id="web-443", listen=443, hosts=(HOST,), tls="acme")
            plain = lab.route(id="web-80", listen=80, hosts=(HOST,), redirect="https")
            lab.ensure(*((secure, plain) if challenge == "http-01" else (secure,)))

            def answer() -> Any:
                try:
                    return lab.ask(host=HOST, port=443, tls=trusting(issuer.root))
                except ssl.SSLError:
                    return None  # not issued yet

            assert eventually(answer, 60).who == "web"
            if challenge == "http-01":
                redirected = lab.ask(host=HOST, port=80)
                assert (redirected.status, redirected.headers["location"]) == (self.redirects, f"https://{HOST}/")
        docker("restart", "--time", "1", lab.container)
        assert eventually(answer).who == "web"
