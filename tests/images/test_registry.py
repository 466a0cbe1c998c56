"""Images from a registry: pulled by digest with credentials that stay on this machine, and are fetched anew each time."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import attrs
import pytest
from stagecraft_hookspecs.errors import ProviderError, UserError
from stagecraft_hookspecs.values import Host, Image

from stagecraft.images import pin_image, push_image
from stagecraft.images.deliveries import Login
from tests.testbed import registry as real
from tests.testbed.fixtures import TestHost

from .conftest import Registry
from .fleet import Fleet, content, sees

pytestmark = [pytest.mark.needs("docker"), pytest.mark.needs("hosts")]
CANARY = "cAnArY-7f3e9b"
HELPER = """#!/bin/sh
cat >/dev/null
echo called >>{folder}/calls
printf '{{"ServerURL": "x", "Username": "robot", "Secret": "%s"}}' "$(sed -n "$(wc -l <{folder}/calls)p" {folder}/tokens)"
"""


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def logged_in(monkeypatch: pytest.MonkeyPatch, folder: Path, *registries: str, password: str) -> None:
    """Leave what `docker login` leaves without a credential helper."""
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    accounts = {registry: {"auth": basic("robot", password)} for registry in registries}
    (folder / "config.json").write_text(json.dumps({"auths": accounts}))


def helped(monkeypatch: pytest.MonkeyPatch, folder: Path, *registries: str, tokens: list[str]) -> Path:
    """Install a credential helper that gives each token once; return the file with a line for each call."""
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    (folder / "config.json").write_text(json.dumps({"credHelpers": dict.fromkeys(registries, "sct")}))
    (folder / "tokens").write_text("".join(f"{token}\n" for token in tokens))
    helper = folder / "docker-credential-sct"
    helper.write_text(HELPER.format(folder=folder))
    helper.chmod(0o755)
    return folder / "calls"


@pytest.fixture
def host(fleet: Fleet, hosts: tuple[TestHost, ...]) -> Host:
    return fleet.add("web-1", hosts[0].docker_host)


@pytest.fixture
def seen(registry: type[Registry], hosts: tuple[TestHost, ...]) -> str:
    """The registry's address as hosts see it."""
    return f"{hosts[0].address.rpartition('.')[0]}.1:{registry.port}"


def pushed(fleet: Fleet, registry: type[Registry], seen: str) -> Image:
    """Push an image of this machine and return it as hosts name it; this machine has it under another name only."""
    built = fleet.build(content(0.5), tag=f"{registry.address}/{fleet.name}")
    here = push_image(fleet.run(), built)
    return Image(f"{seen}/{fleet.name}", here.digest)


def test_a_host_pulls_by_digest_and_keeps_no_credentials(
    fleet: Fleet,
    host: Host,
    hosts: tuple[TestHost, ...],
    registry: type[Registry],
    seen: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    image = pushed(fleet, registry, seen)
    registry.password = f"Basic {basic('robot', CANARY)}"
    logged_in(monkeypatch, tmp_path, seen, password=CANARY)
    run = fleet.run()

    identity = run.image(image, host)

    assert fleet.engine(host).images.get(identity).attrs["RepoDigests"] == [f"{image.name}@{image.digest}"]
    places = "/root /home /etc /tmp /run /var/log /var/lib/docker/image /var/lib/docker/containers"
    found = hosts[0].sh(f"grep -rlsF -e {CANARY} -e {basic('robot', CANARY)} {places}", check=False)
    assert found == ""
    assert CANARY not in "\n".join([*run.said.logged, *run.said.shown])


def test_a_registry_account_of_the_configuration_has_its_password_from_the_secrets(
    fleet: Fleet, host: Host, registry: type[Registry], seen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = pushed(fleet, registry, seen)
    registry.password = f"Basic {basic('deployer', CANARY)}"
    logged_in(monkeypatch, tmp_path, password="")
    login = Login(seen, "deployer", "REGISTRY_TOKEN")

    assert fleet.run(secrets={"REGISTRY_TOKEN": CANARY}, login=login).image(image, host)

    fleet.engine(host).images.remove(f"{image.name}@{image.digest}", force=True)
    with pytest.raises(UserError, match="no secret 'REGISTRY_TOKEN'"):
        fleet.run(login=login).image(image, host)


def test_expired_credentials_are_fetched_anew_once(
    fleet: Fleet, host: Host, registry: type[Registry], seen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = pushed(fleet, registry, seen)
    registry.password = f"Basic {basic('robot', CANARY)}"
    calls = helped(monkeypatch, tmp_path, seen, tokens=["expired", CANARY])

    assert fleet.run().image(image, host)
    assert calls.read_text().count("called") == 2


def test_a_push_fetches_expired_credentials_anew_too(
    fleet: Fleet, registry: type[Registry], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built = fleet.build(content(0.1), tag=f"{registry.address}/{fleet.name}")
    registry.password = f"Basic {basic('robot', CANARY)}"
    calls = helped(monkeypatch, tmp_path, registry.address, tokens=["expired", CANARY])

    assert push_image(fleet.run(), built).digest.startswith("sha256:")
    assert calls.read_text().count("called") == 2


def test_a_private_base_is_pulled_for_its_digest(
    fleet: Fleet, registry: type[Registry], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built = fleet.build(content(0.1), tag=f"{registry.address}/{fleet.name}:2")
    here = push_image(fleet.run(), built)
    registry.store[f"/v2/{fleet.name}/manifests/2"] = registry.store[f"/v2/{fleet.name}/manifests/{here.digest}"]
    fleet.here.images.remove(built.digest, force=True)
    registry.password = f"Basic {basic('robot', CANARY)}"
    logged_in(monkeypatch, tmp_path, registry.address, password=CANARY)

    assert pin_image(fleet.run(), Image(f"{registry.address}/{fleet.name}:2")).digest == here.digest


def test_refused_credentials_are_an_error_with_the_next_step(
    fleet: Fleet, host: Host, registry: type[Registry], seen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = pushed(fleet, registry, seen)
    registry.password = f"Basic {basic('robot', CANARY)}"
    calls = helped(monkeypatch, tmp_path, seen, tokens=["expired", "also-expired", CANARY])

    with pytest.raises(ProviderError) as caught:
        fleet.run().image(image, host)

    assert f"cannot pull {image.name}@{image.digest} on web-1" in caught.value.message
    assert caught.value.hint == f"log in to the registry: docker login {seen}"
    assert calls.read_text().count("called") == 2


def test_a_failing_credential_helper_is_an_error_that_names_the_registry(
    fleet: Fleet, host: Host, registry: type[Registry], seen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = pushed(fleet, registry, seen)
    helped(monkeypatch, tmp_path, seen, tokens=[])
    (tmp_path / "docker-credential-sct").write_text("#!/bin/sh\necho the vault is sealed\nexit 1\n")

    with pytest.raises(ProviderError) as caught:
        fleet.run().image(image, host)

    assert f"the credential helper for {seen} failed" in caught.value.message
    assert "the vault is sealed" in caught.value.message
    assert caught.value.hint == f"log in again: docker login {seen}"


def test_an_image_that_the_host_has_needs_no_registry(
    fleet: Fleet, host: Host, registry: type[Registry], seen: str
) -> None:
    image = pushed(fleet, registry, seen)
    identity = fleet.run().image(image, host)
    asked = registry.asked

    assert fleet.run().image(image, host) == identity
    assert registry.asked == asked > 0


def test_what_a_host_cannot_pull_is_sent_from_here(fleet: Fleet, host: Host, registry: type[Registry]) -> None:
    built = fleet.build(content(0.5), tag=f"{registry.address}/{fleet.name}")
    image = push_image(fleet.run(), built)  # by an address that means another machine on the host
    run = fleet.run()

    identity = run.image(image, host)

    assert identity == built.digest
    assert any("cannot pull" in line and "sending it from this machine" in line for line in run.said.logged)
    assert fleet.run().image(image, host) == identity
    assert attrs.evolve(image, digest="").name == f"{registry.address}/{fleet.name}"


def test_what_was_never_pushed_is_asked_for_nowhere(fleet: Fleet, host: Host, registry: type[Registry]) -> None:
    image = fleet.build(content(0.1), tag=f"{registry.address}/{fleet.name}")

    assert fleet.run().image(image, host) == image.digest
    assert registry.asked == 0


@pytest.mark.needs("registry")
@pytest.mark.parametrize("kind", ["graph", "store"])
def test_a_real_registry_with_passwords(
    fleet: Fleet,
    hosts: tuple[TestHost, ...],
    store: str,
    registries: tuple[real.Registry, real.Registry],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
) -> None:
    _, closed = registries
    host = fleet.add("web-1", store if kind == "store" else hosts[0].docker_host)
    login = Login(closed.address, closed.user, "TOKEN")
    run = fleet.run(secrets={"TOKEN": closed.password}, login=login)
    logged_in(monkeypatch, tmp_path, password="")
    base = content(3)
    first = push_image(run, fleet.build(base, content(0.2), tag=f"{closed.address}/{fleet.name}"))

    assert run.image(first, host)

    change = push_image(run, fleet.build(base, content(0.2), tag=f"{closed.address}/{fleet.name}"))
    closed.expire()
    with pytest.raises(ProviderError) as caught:
        run.image(change, host)
    assert caught.value.hint == f"log in to the registry: docker login {closed.address}"
    assert run.image(first, host)
    closed.renew()
    assert run.image(change, host)


@pytest.mark.needs("registry")
@pytest.mark.parametrize("kind", ["graph", "store"])
def test_a_change_of_an_image_that_was_pulled_is_sent_and_outlives_that(
    fleet: Fleet, hosts: tuple[TestHost, ...], store: str, registries: tuple[real.Registry, real.Registry], kind: str
) -> None:
    """A store keeps layers as they came, compressed; those saved here are not."""
    host = fleet.add("web-1", store if kind == "store" else hosts[0].docker_host)
    base, change = content(3), content(0.2)
    first = push_image(fleet.run(), fleet.build(base, content(0.2), tag=f"{registries[0].address}/{fleet.name}"))
    fleet.run().image(first, host)

    identity = fleet.run().image(fleet.build(base, change), host)
    fleet.engine(host).images.remove(f"{first.name}@{first.digest}", force=True)

    assert sees(fleet, host, identity, "/f0").startswith(base)
    assert sees(fleet, host, identity, "/f1").startswith(change)
