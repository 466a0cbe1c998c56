"""Files of the project reach the host once; nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_container_proxy import shipping
from stagecraft_hookspecs.errors import UserError
from stagecraft_hookspecs.proxy import Route
from stagecraft_hookspecs.values import File


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "link", "none.pem", "."])
def test_what_is_outside_or_missing_is_refused(tmp_path: Path, path: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    (root / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=r"project|cannot read"):
        shipping.read(root, path)


def test_the_files_of_routes(tmp_path: Path) -> None:
    for name in ("a.crt", "a.key", "down.html"):
        (tmp_path / name).write_text(name)
    routes = (
        Route("web", "web", 443, tls="given", certificate="a.crt", key="a.key", page="down.html"),
        Route("odd/id", "web", 80, page="down.html"),
        Route("plain", "web", 81),
    )
    files = shipping.named(tmp_path, routes)
    assert {path: file.data for path, file in files.items() if "web" in path} == {
        "tls/web.crt": b"a.crt",
        "tls/web.key": b"a.key",
        "pages/web": b"down.html",
    }
    assert [path for path, file in files.items() if file.secret] == ["tls/web.key"]
    assert len(files) == 4
    assert not any(".." in path or path.count("/") != 1 for path in files)


def test_the_digest_tells_contents_and_places_apart() -> None:
    given = [{"a": b"1", "b": b"2"}, {"a": b"2", "b": b"1"}, {"a": b"12"}, {"ab": b"1"}, {}]
    made = {shipping.digest({path: File(data) for path, data in files.items()}) for files in given}
    assert len(made) == len(given)
