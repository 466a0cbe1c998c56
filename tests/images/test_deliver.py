"""Images get to hosts: real engines of both kinds, and a wire on which every byte is counted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import Interrupted, ProviderError
from stagecraft_hookspecs.values import Host, Image

from stagecraft.images.chains import Make, make_of
from stagecraft.images.check import usable
from stagecraft.images.saved import Saved, read_archive
from tests.testbed.fixtures import MakeHost, TestHost

from .fleet import Fleet, content, sees

pytestmark = [pytest.mark.needs("docker"), pytest.mark.needs("hosts")]
KINDS = ["graph", "store"]


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, fleet: Fleet, hosts: tuple[TestHost, ...], store: str) -> Host:
    """A host with either kind of engine; it has none of the test's images."""
    return fleet.add("web-1", hosts[0].docker_host if request.param == "graph" else store)


def test_an_image_is_sent_once_and_is_then_there(fleet: Fleet, host: Host) -> None:
    layers = content(2), content(1)
    image, run, tap = fleet.build(*layers), fleet.run(), fleet.tap(host)

    identity = run.image(image, host)
    sent = tap.sent
    again = fleet.run().image(image, host)
    asked = tap.sent - sent

    assert sees(fleet, host, identity, "/f1").startswith(layers[1])
    assert again == identity
    assert sent > 3e6
    assert asked < 5_000
    assert [line for line in run.said.logged if "sent" in line] != []


def test_a_change_sends_the_changed_layers_only(fleet: Fleet, host: Host) -> None:
    base, tap = content(20), fleet.tap(host)
    fleet.run().image(fleet.build(base, content(2)), host)
    before, change = tap.sent, content(2)

    run = fleet.run()
    identity = run.image(fleet.build(base, change), host)

    assert tap.sent - before <= 1.05 * len(change)
    assert sees(fleet, host, identity, "/f0").startswith(base)
    assert sees(fleet, host, identity, "/f1").startswith(change)
    (said,) = [line for line in run.said.logged if "sent" in line]
    assert said.startswith("info web-1: sent 2.0 MB of 2")


def test_nothing_is_left_behind(fleet: Fleet, host: Host, tmp_path: Path) -> None:
    run = fleet.run()
    before = {image.id for image in fleet.engine(host).images.list(all=True)}

    identity = run.image(fleet.build(content(40), content(40), content(1)), host)  # more than a portion
    run.deliveries.close()

    assert {image.id for image in fleet.engine(host).images.list(all=True)} - before == {identity}
    assert not [c for c in fleet.engine(host).containers.list(all=True) if c.name.startswith("stagecraft-check")]
    assert list((tmp_path / "cache" / "stagecraft" / "images").iterdir()) == []
    assert len(sees(fleet, host, identity, "/f0")) > 40e6


def test_a_container_that_a_killed_run_left_is_removed(fleet: Fleet, host: Host) -> None:
    image, engine = fleet.build(content(0.1)), fleet.engine(host)
    identity = fleet.run().image(image, host)
    left = engine.containers.create(identity, ["true"], name=f"stagecraft-check-{identity[7:31]}")

    assert usable(fleet.run(), "api", _saved(fleet, image), host) == identity

    assert left.id not in [container.id for container in engine.containers.list(all=True)]


def test_what_the_engine_does_not_take_in_part_is_sent_in_full(fleet: Fleet, host: Host) -> None:
    base, run = content(3), fleet.run()
    fleet.run().image(fleet.build(content(1)), host)
    image = fleet.build(base, content(1))
    make = make_of(fleet.here.api.inspect_image(image.digest))
    for listed in fleet.engine(
        host
    ).images.list():  # as if an image with that base had been removed since it was looked at
        run.deliveries.makes[host.name, str(listed.id)] = Make(make.layers[:-1], "")

    identity = run.image(image, host)

    assert sees(fleet, host, identity, "/f0").startswith(base)
    assert any("debug web-1:" in line and "without its first" in line for line in run.said.logged)


def test_what_arrived_before_a_cut_is_not_sent_again(fleet: Fleet, host: Host) -> None:
    image, tap = fleet.build(content(36), content(36), content(8)), fleet.tap(host)
    tap.cut_after = 60_000_000
    with pytest.raises(ProviderError, match="to web-1 was cut off after") as caught:
        fleet.run().image(image, host)
    assert caught.value.hint
    tap.cut_after, before = 0, tap.sent

    identity = fleet.run().image(image, host)

    assert tap.sent - before <= 1.05 * (36 + 8) * 1e6
    assert len(sees(fleet, host, identity, "/f0")) > 36e6
    assert [
        i.id for i in fleet.engine(host).images.list(all=True, filters={"label": "stagecraft.portion=shop/prod"})
    ] == []


def test_hosts_at_once_share_one_save(fleet: Fleet, hosts: tuple[TestHost, ...], tmp_path: Path) -> None:
    machines = [fleet.add(f"web-{n}", one.docker_host) for n, one in enumerate(hosts)]
    image, run = fleet.build(content(10)), fleet.run()
    got: dict[str, str] = {}

    def deliver(host: Host) -> None:
        got[host.name] = run.image(image, host)

    threads = [threading.Thread(target=deliver, args=(host,)) for host in machines for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(got.values()) == {image.digest}
    assert run.said.shown.count(f"saving {image.name}") == 1
    assert all(fleet.tap(host).sent < 14e6 for host in machines)  # the base is 2.4 MB


def test_a_host_that_lacks_more_than_the_first_one_gets_it(
    fleet: Fleet, hosts: tuple[TestHost, ...], store: str
) -> None:
    ready, new, base = fleet.add("ready", hosts[1].docker_host), fleet.add("new", store), content(3)
    fleet.run().image(fleet.build(base, content(0.1)), ready)
    image, run = fleet.build(base, content(0.1)), fleet.run()

    run.image(image, ready)
    identity = run.image(image, new)

    assert sees(fleet, new, identity, "/f0").startswith(base)
    assert any(line.startswith("info ready: sent 0.1 MB of") for line in run.said.logged)
    assert fleet.tap(new).sent > 3e6


def test_an_image_for_another_architecture_is_refused_before_it_is_sent(fleet: Fleet, host: Host) -> None:
    image, tap = fleet.build(content(5)), fleet.tap(host)
    saved = b"".join(fleet.here.api.get_image(image.digest))
    other = saved.replace(b'"architecture":"amd64"', b'"architecture":"arm64"')
    assert other != saved
    foreign = fleet.here.images.load(_rename_config(other))[0]
    try:
        with pytest.raises(ProviderError) as caught:
            fleet.run().image(Image("shop/api", str(foreign.id)), host)
    finally:
        fleet.here.images.remove(foreign.id, force=True)
    assert caught.value.message == "shop/api is made for arm64, and web-1 runs amd64"
    assert "platforms: [linux/amd64]" in caught.value.hint
    assert tap.sent < 10_000


def test_an_image_that_nobody_has_is_an_error_with_the_next_step(fleet: Fleet, host: Host) -> None:
    image = fleet.build(content(0.1))
    fleet.here.images.remove(image.digest, force=True)

    with pytest.raises(ProviderError) as caught:
        fleet.run().image(image, host)

    assert "is not on web-1, nor on this machine" in caught.value.message
    assert "deploy again" in caught.value.hint


def test_an_interrupt_ends_the_sending(fleet: Fleet, host: Host) -> None:
    image, run = fleet.build(content(10)), fleet.run()
    fleet.tap(host).rate = 1e6
    timer = threading.Timer(1.0, run.scope.cancel)
    timer.start()

    began = run.monotonic()
    with pytest.raises(Interrupted):
        run.image(image, host)

    assert run.monotonic() - began < 8.0


def test_a_full_disk_is_an_error_that_names_the_host(make_host: MakeHost, fleet: Fleet) -> None:
    small = make_host(disk="loop:300M")
    host = fleet.add("web-9", small.docker_host)
    small.sh(
        "dd if=/dev/zero of=/fill bs=1M count=1000 2>/dev/null; rm -f /fill; dd if=/dev/zero of=/fill bs=1M "
        "count=$(($(df -m / | awk 'END {print $4}') - 40)) 2>/dev/null"
    )

    with pytest.raises(ProviderError) as caught:
        fleet.run().image(fleet.build(content(60)), host)

    assert "on web-9" in caught.value.message and "no space left" in caught.value.message
    assert caught.value.hint == "free some space on web-9: docker system df"
    small.sh("rm /fill")
    fleet.run().image(fleet.build(content(6)), host)


def test_an_old_engine_takes_a_change(make_host: MakeHost, fleet: Fleet) -> None:
    host = fleet.add("old", make_host(engine="20.10").docker_host)
    base, change = content(8), content(1)
    fleet.run().image(fleet.build(base, content(1)), host)
    before = fleet.tap(host).sent

    identity = fleet.run().image(fleet.build(base, change), host)

    assert fleet.tap(host).sent - before <= 1.05 * len(change)
    assert sees(fleet, host, identity, "/f1").startswith(change)


def test_an_engine_of_the_other_kind_knows_an_image_by_another_id(
    fleet: Fleet, hosts: tuple[TestHost, ...], store: str
) -> None:
    host = fleet.add("web-1", store)
    image = fleet.build(content(2))
    identity = fleet.run().image(image, host)
    before = fleet.tap(host).sent

    assert identity != image.digest
    assert fleet.run().image(image, host) == identity
    assert fleet.tap(host).sent - before < 10_000


def _saved(fleet: Fleet, image: Image) -> Saved:
    folder = fleet.root / "blobs"
    folder.mkdir()
    return read_archive(fleet.here.api.get_image(image.digest), folder)


def _rename_config(archive: bytes) -> bytes:
    """Return a saved image whose configuration was changed, with the names that follow from its content put right."""
    import hashlib
    import io
    import json
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(archive)) as old:
        files = {m.name: old.extractfile(m).read() for m in old if m.isfile()}  # type: ignore[union-attr]
    listed = json.loads(files["manifest.json"])
    config = files[listed[0]["Config"]]
    listed[0]["Config"] = f"{hashlib.sha256(config).hexdigest()}.json"
    names = {"manifest.json": json.dumps(listed).encode(), listed[0]["Config"]: config}
    names |= {layer: files[layer] for layer in listed[0]["Layers"]}
    new = io.BytesIO()
    with tarfile.open(fileobj=new, mode="w") as archived:
        for name, data in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archived.addfile(entry, io.BytesIO(data))
    return new.getvalue()
