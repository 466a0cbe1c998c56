"""Files of the project reach the host once; nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_container_proxy import shipping
from stagecraft_hookspecs.contract.doubles import FakeMachine
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.values import File


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "link", "none.pem", "."])
def test_what_is_outside_or_missing_is_refused(tmp_path: Path, path: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    (root / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=r"project|cannot read"):
        shipping.read(root, path)


def test_what_is_there_is_not_written_again() -> None:
    written: list[str] = []

    class Watched(FakeMachine):
        def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
            written.append(path)
            super().write(path, data, mode=mode)

    machine = Watched()
    files = {"a": File(b"1"), "tls/b": File(b"2")}
    for _ in range(2):
        shipping.write(machine, "/home/proxy", files)
    shipping.write(machine, "/home/proxy", {**files, "a": File(b"3")})
    assert written == ["/home/proxy/a", "/home/proxy/tls/b", "/home/proxy/a"]


def test_a_keys_mode_is_put_right_even_where_its_content_is() -> None:
    machine = FakeMachine(files={"/home/k": b"key"})
    machine.modes["/home/k"] = 0o644
    shipping.write(machine, "/home", {"k": File(b"key", 0o600, secret=True)})
    assert machine.modes["/home/k"] == 0o600
