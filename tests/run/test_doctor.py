"""What `doctor` finds on hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import ProviderError

from stagecraft.run import host_checks

from .operated import Fleet


def verdicts(fleet: Fleet, *flags: str, code: int) -> dict[str, tuple[str, str]]:
    found = json.loads(fleet("doctor", "--json", *flags, code=code).out)
    return {c["what"].removeprefix("prod: "): (c["verdict"], c["found"]) for c in found}


def test_every_host_is_looked_at(fleet: Fleet) -> None:
    found = verdicts(fleet, code=0)
    assert [what for what in found if " o" in what] == [
        f"{what} {host}"
        for host in ("app-1", "app-2", "db-1")
        for what in ("reach of", "disk of", "clock of", "lock on", "runtime on")
    ]
    assert found["clock of db-1"] == ("ok", "within 5 s of this one")
    assert found["runtime on db-1"] == ("ok", "paper answers, 1 instances run")
    assert found["disk of db-1"][1].endswith("MB free in FOLDER/hosts/db-1")


def test_a_host_that_is_down_ends_its_own_checks_alone(fleet: Fleet) -> None:
    fleet.down("app-2")
    found = verdicts(fleet, code=1)
    assert found["reach of app-2"] == ("failed", "cannot reach app-2")
    assert [what for what in found if what.endswith("app-2")] == ["reach of app-2"]
    assert found["runtime on app-1"][0] == found["runtime on db-1"][0] == "ok"
    text = fleet("doctor", code=1).out
    assert (
        "failed   prod: reach of app-2: cannot reach app-2\n         hint: see whether it is up: ping app-2\n" in text
    )
    assert text.endswith(" checks, 1 failed\n")


def test_hosts_are_chosen(fleet: Fleet) -> None:
    fleet.down("app-2")
    assert "reach of app-2" not in verdicts(fleet, "--host", "app-1,db-1", code=0)
    assert "reach of db-1" not in verdicts(fleet, "--role", "app", code=1)
    assert "no host 'app-9'; did you mean 'app-2'?" in fleet("doctor", "--host", "app-9", code=1).err


def test_a_clock_that_is_off_is_a_warning(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/date").write_text("#!/bin/sh\nexec /bin/date -d '1 hour ago' \"$@\"\n")
    (tmp_path / "tools/date").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "tools"), prepend=":")
    verdict, found = verdicts(fleet, code=0)["clock of app-1"]
    assert (verdict, found.split()[0] in ("3599", "3600", "3601"), found.split()[1:]) == (
        "warning",
        True,
        ["s", "behind"],
    )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"kilobytes": "/dev/x 100 90 1024 99% /", "inodes": "/dev/x 9 9 9000 1% /"}, "only 1 MB free in /srv"),
        ({"kilobytes": "/dev/x 1 1 9999999 9% /", "inodes": "/dev/x 9 9 100 99% /"}, "only 100 inodes free in /srv"),
        ({"writable": ""}, "deploy may not write /srv"),
    ],
)
def test_a_host_without_room_is_named(lines: dict[str, str], said: str) -> None:
    facts = {"user": "deploy", "folder": "/srv", "writable": "yes", **lines}
    if not facts["writable"]:
        del facts["writable"]
    with pytest.raises(ProviderError, match=said) as caught:
        host_checks._room(facts, "app-1")
    assert caught.value.hint


def test_file_systems_that_count_no_inodes_have_room() -> None:
    for told in ("btrfs 0 0 0 - /", "btrfs - - - - /"):
        facts = {"folder": "/srv", "writable": "yes", "kilobytes": "/dev/x 1 1 9999999 9% /", "inodes": told}
        assert host_checks._room(facts, "app-1") == "9765 MB free in /srv"
