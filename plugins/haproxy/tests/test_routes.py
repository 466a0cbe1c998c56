"""What a request meets: host names, paths, redirects, limits, headers, TLS, the maintenance page."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import NotFound, ProviderError, UserError
from stagecraft_hookspecs.proxy import Limits

from tests.load import Load, Target

from .conftest import Lab, free_port

pytestmark = pytest.mark.needs("docker")


def certificate(folder: Path, name: str, *hosts: str) -> None:
    """Write NAME.crt and NAME.key, self-signed for the hosts."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.crt").write_bytes(built.public_bytes(pem) + b"\n\n")
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, *plain))


def shown(
    port: int, name: str, *, alpn: tuple[str, ...] = (), version: ssl.TLSVersion | None = None
) -> tuple[str, str]:
    """Return the serial number of the certificate that is shown for a name, and the protocol that was agreed on."""
    from cryptography import x509

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), 5) as raw, context.wrap_socket(raw, server_hostname=name) as s:
        der = s.getpeercert(binary_form=True)
        assert der is not None
        return str(x509.load_der_x509_certificate(der).serial_number), s.selected_alpn_protocol() or ""


def serial(path: Path) -> str:
    from cryptography import x509

    return str(x509.load_pem_x509_certificate(path.read_bytes()).serial_number)


def test_host_names_go_first_then_the_longest_path(lab: Lab) -> None:
    any_, host, wild, deep = (lab.app(v) for v in ("any", "host", "wild", "deep"))
    lab.switch(
        lab.route(any_, id="any"),
        lab.route(deep, id="deep", path="/api/v2"),
        lab.route(any_, id="api", path="/api/"),
        lab.route(host, id="host", hosts=("Shop.example.com",)),
        lab.route(wild, id="wild", hosts=("*.example.com",)),
    )
    asked = {
        ("/", "other.test"): "any",
        ("/api", "other.test"): "any",
        ("/api/v2", "other.test"): "deep",
        ("/api/v2/x?y=1", "other.test"): "deep",
        ("/api/v22", "other.test"): "any",
        ("/api/v2", "shop.example.com:8443"): "host",
        ("/", "SHOP.EXAMPLE.COM"): "host",
        ("/", "a.example.com"): "wild",
        ("/", "example.com"): "any",
    }
    assert {(path, name): lab.get(path, Host=name)[2] for path, name in asked} == asked


def test_what_no_route_takes_is_not_found(lab: Lab) -> None:
    lab.switch(lab.route(lab.app("v1"), hosts=("shop.test",), path="/shop"))
    assert lab.get("/shop", Host="shop.test")[0] == 200
    assert [lab.get(path, Host=name)[0] for path, name in (("/", "shop.test"), ("/shop", "x.test"))] == [404, 404]


def test_a_prefix_is_stripped_and_the_service_learns_who_asks(lab: Lab) -> None:
    lab.switch(lab.route(lab.app("v1"), path="/a b/$x", strip=True))
    # a path with characters that mean something to HAProxy, in the form in which clients send it
    assert lab.get("/a%20b/$x")[0] == 404
    lab.switch(lab.route(lab.app("v1"), path="/api", strip=True))
    told = json.loads(
        lab.get("/api/headers?q=1", Host="shop.test", X_Forwarded_For="6.6.6.6", Forwarded="for=6.6.6.6")[2]
    )
    headers = told["headers"]
    assert (told["path"], told["query"]) == ("/headers", "q=1")
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-host"]) == ("http", "shop.test")
    assert (headers["host"], headers["x-forwarded-prefix"]) == ("shop.test", "/api")
    assert "forwarded" not in headers
    assert [lab.get(path)[2] for path in ("/api", "/api/")] == ["v1", "v1"]


def test_a_trusted_load_balancer_is_believed(lab: Lab) -> None:
    from stagecraft_hookspecs.values import LOCAL

    proxy = lab.proxy(trusted_proxies=("127.0.0.0/8", "::1"))
    proxy.switch(lab.ctx, LOCAL, (lab.route(lab.app("v1")),))
    asked = {"X_Forwarded_For": "6.6.6.6", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "shop.test"}
    headers = json.loads(lab.get("/headers", **asked)[2])["headers"]
    assert headers["x-forwarded-for"] in ("6.6.6.6, 127.0.0.1", "127.0.0.1")
    assert (headers["x-forwarded-proto"], headers["x-forwarded-host"]) == ("https", "shop.test")


def test_redirects_keep_method_path_and_query(lab: Lab) -> None:
    tls = free_port()
    certificate(lab.root, "shop", "shop.test")
    lab.switch(
        lab.route(redirect="https", id="up"),
        lab.route(redirect="new.test", id="moved", hosts=("old.test",)),
        lab.route(lab.app("v1"), id="tls", listen=tls, tls="given", certificate="shop.crt", key="shop.key"),
    )
    status, headers, _ = lab.get("/a/b?c=%20d", Host="shop.test", method="POST", data=b"x")
    assert (status, headers["location"]) == (308, f"https://shop.test:{tls}/a/b?c=%20d")
    status, headers, _ = lab.get("/a?b=1", Host="old.test")
    assert (status, headers["location"]) == (308, f"http://new.test:{lab.port}/a?b=1")


def test_a_body_over_the_limit_is_refused(lab: Lab) -> None:
    lab.switch(lab.route(lab.app("v1"), limits=Limits(body=1000)))
    assert lab.get("/echo", method="POST", data=b"x" * 1000)[0] == 200
    assert lab.get("/echo", method="POST", data=b"x" * 1001)[0] == 413
    for size in (10, 2000, 100_000):
        connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=5)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", "/echo", iter([b"x" * size]), encode_chunked=True)
        assert connection.getresponse().status == 411
        connection.close()


def test_an_answer_that_begins_too_late_is_given_up_and_a_stream_may_be_silent_longer(lab: Lab) -> None:
    lab.switch(lab.route(lab.app("v1"), limits=Limits(timeout=0.5, idle=5)))
    begun = time.monotonic()
    assert lab.get("/slow?3", method="POST", data=b"x")[0] == 504
    assert time.monotonic() - begun < 2.5
    assert lab.get("/hold?2")[2].endswith("end\n")  # a second of silence before each line but the first


def test_the_maintenance_page_is_the_projects_or_a_plain_one(lab: Lab) -> None:
    (lab.root / "down.html").write_text("<p>tidying up</p>")
    lab.ensure(lab.route(page="down.html"), lab.route(id="plain", path="/plain"))
    status, headers, text = lab.get()
    assert (status, text, headers["retry-after"]) == (503, "<p>tidying up</p>", "5")
    assert "Back soon" in lab.get("/plain")[2]
    (lab.root / "down.html").write_text("<p>still at it</p>")
    lab.ensure(lab.route(page="down.html"))
    assert lab.get()[2] == "<p>still at it</p>"


def test_a_page_that_is_missing_outside_or_too_large_is_named(lab: Lab) -> None:
    (lab.root / "large.html").write_bytes(b"x" * 20000)
    with pytest.raises(NotFound, match=r"no\.html"):
        lab.ensure(lab.route(page="no.html"))
    with pytest.raises(UserError, match="outside the project"):
        lab.ensure(lab.route(page="../x.html"))
    with pytest.raises(UserError, match=r"large\.html has 20000 bytes"):
        lab.ensure(lab.route(page="large.html"))


def test_certificates_are_chosen_by_name_and_changed_without_a_reload(lab: Lab) -> None:
    for name in ("shop", "blog"):
        certificate(lab.root, name, f"{name}.test")
    target = lab.app("v1")
    given = [
        lab.route(target, id=n, hosts=(f"{n}.test",), tls="given", certificate=f"{n}.crt", key=f"{n}.key")
        for n in ("shop", "blog")
    ]
    lab.switch(*given)
    workers = lab.workers()
    assert shown(lab.port, "shop.test")[0] == serial(lab.root / "shop.crt")
    assert shown(lab.port, "blog.test", alpn=("h2", "http/1.1")) == (serial(lab.root / "blog.crt"), "h2")
    with pytest.raises(ssl.SSLError):
        shown(lab.port, "shop.test", version=ssl.TLSVersion.TLSv1_1)
    keys = [p for p in lab.folder.rglob("*") if p.is_file() and b"PRIVATE KEY" in p.read_bytes()]
    assert len(keys) == 2
    assert {p.stat().st_mode & 0o777 for p in keys} == {0o600}

    certificate(lab.root, "shop", "shop.test")
    lab.ensure(*given)
    assert shown(lab.port, "shop.test")[0] == serial(lab.root / "shop.crt")
    assert lab.workers() == workers
    results = (
        Load([Target("127.0.0.1", lab.port, "shop.test", tls=True)], {"post": 20, "ws": 20}, count=20).start().wait()
    )
    assert results.lost == 0, str(results)


def test_a_key_of_another_certificate_is_rejected_and_the_former_stands(lab: Lab) -> None:
    for name in ("shop", "blog"):
        certificate(lab.root, name, f"{name}.test")
    route = lab.route(lab.app("v1"), tls="given", certificate="shop.crt", key="shop.key")
    lab.switch(route)
    before = serial(lab.root / "shop.crt")
    (lab.root / "shop.key").write_bytes((lab.root / "blog.key").read_bytes())
    with pytest.raises(ProviderError, match="rejects the configuration; the former one stands") as caught:
        lab.ensure(route)
    assert "certs/" in caught.value.detail
    assert shown(lab.port, "shop.test")[0] == before
    assert not (lab.folder / "draft").exists()


def test_a_dying_instance_is_passed_over(lab: Lab) -> None:
    """Killed in the middle of a load: what had not been sent to it goes to the other one."""
    one, two = lab.app("v1"), lab.app("v2")
    lab.switch(lab.route(one, two))
    with Load([Target("127.0.0.1", lab.port)], {"get": 60, "post": 60}) as load:
        time.sleep(0.7)
        subprocess.run(["docker", "kill", lab.apps[one.address]], check=True, capture_output=True)
        time.sleep(2)
    results = load.results
    assert results.lost <= 2, str(results)  # those it was working on when it died, which may not be sent again
    assert "status-503" not in results.kinds["post"].failed
    assert lab.serving() == {"web": (f"{two.address}:8000",)}


def test_an_instance_whose_check_fails_gets_no_requests(lab: Lab) -> None:
    good, bad = lab.app("good"), lab.app("bad", DROP="1")
    lab.switch(lab.route(good, bad, check="/health"))
    deadline = time.monotonic() + 10
    while lab.serving()["web"] != (f"{good.address}:8000",):
        assert time.monotonic() < deadline, lab.serving()
        time.sleep(0.1)
    assert {lab.get()[2] for _ in range(6)} == {"good"}


def test_a_post_is_never_sent_twice(lab: Lab) -> None:
    """The instance takes the request and ends the connection: the user hears of it, no instance gets it again."""
    heads: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def swallow() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if data := connection.recv(65536):
                heads.append(data)
            connection.close()

    threading.Thread(target=swallow, daemon=True).start()
    from stagecraft_hookspecs.proxy import Endpoint

    lab.switch(lab.route(Endpoint("127.0.0.1", listener.getsockname()[1])))
    assert lab.get("/order", method="POST", data=b"one")[0] == 502
    listener.close()
    assert len([h for h in heads if h.startswith(b"POST")]) == 1
