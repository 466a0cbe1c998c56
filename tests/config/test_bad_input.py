"""Files that cannot be right: each is refused within two seconds, with one clear first fault and a next step."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from stagecraft_hookspecs.errors import ConfigError

BAD = sorted((Path(__file__).parent / "bad").iterdir())
HEAD = b"project: {name: shop}\n"


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_the_corpus(project: Any, path: Path) -> None:
    text = path.read_text()
    expected = text.splitlines()[0].removeprefix("# expect: ")
    began = time.process_time()
    assert expected in project.faults(text)[0]
    assert time.process_time() - began < 2


MADE = {
    "empty": (b"", "the configuration is empty"),
    "blank": (b" \n\n", "the configuration is empty"),
    "empty mapping": (b"{}", "the configuration is empty"),
    "null": (b"~", "the configuration is empty"),
    "binary": (bytes(range(256)) * 20, "not UTF-8 text"),
    "zero bytes": (HEAD + b"x-a: \0\0", "binary"),
    "control characters": (HEAD + b"x-a: \x07", "control character"),
    "UTF-16": (b"\xff\xfe" + "project: {name: shop}".encode("utf-16-le"), "UTF-16, not UTF-8"),
    "Latin-1": (HEAD + "x-a: grün".encode("latin-1"), "not UTF-8 text"),
    "50 MB": (HEAD + b"x-a: " + b"a" * 50_000_000, "at most 1000000 are read"),
    "10,000 lists deep": (HEAD + b"x-a: " + b"[" * 10_000 + b"]" * 10_000, "nested more than"),
    "10,000 mappings deep": (HEAD + b"x-a: " + b"{a: " * 10_000 + b"}" * 10_000, "nested more than"),
    "10,000 levels of indentation": (b"".join(b" " * i + b"a:\n" for i in range(1_300)), "nested more than"),
    "a key of a million letters": (HEAD + b"? " + b"a" * 900_000 + b"\n: 1\n", "unknown key"),
    "a deep default": (HEAD + b"env_file: '" + b"${A:-" * 900 + b"}" * 900 + b"'\n", "nested more than"),
    "20,000 faults": (HEAD + b"hosts: {app: [" + b"5," * 20_000 + b"]}", "expected a name or a mapping, got 5"),
    "a number without end": (HEAD + b"rollout: {keep: " + b"9" * 100_000 + b"}", "expected a whole number from 1"),
}


@pytest.mark.parametrize("name", MADE)
def test_made_input(project: Any, name: str) -> None:
    raw, expected = MADE[name]
    began = time.process_time()
    told = project.faults(raw)
    assert time.process_time() - began < 2
    assert expected in told[0]
    assert all(len(line) < 400 for line in told)


def test_windows_line_ends_and_a_byte_order_mark_are_fine(project: Any) -> None:
    text = b"\xef\xbb\xbf" + HEAD.replace(b"\n", b"\r\n") + b"rollout:\r\n  keep: 2\r\n"
    assert project.load(text).rollout.keep == 2


@pytest.mark.parametrize(("make", "expected"), [
    (lambda p: p.mkdir(), "this is a directory"),
    (lambda p: p.symlink_to(p.parent / "gone"), "no such file"),
    (lambda p: p.symlink_to(p), "cannot be read"),
    (lambda p: os.mkfifo(p), "not a regular file"),
    (lambda p: p.symlink_to("/dev/zero"), "not a regular file"),
    (lambda p: p.symlink_to("/proc/self/mem"), "cannot be read"),
    (lambda p: None, "no such file"),
])  # fmt: skip
@pytest.mark.parametrize("name", ["stagecraft.yml", "stagecraft.toml"])
def test_what_is_no_file(project: Any, name: str, make: Any, expected: str) -> None:
    from stagecraft.config import read

    path = project.root / name
    make(path)
    with pytest.raises(ConfigError, match=expected) as caught:
        read(path, {})
    assert caught.value.hint


def test_a_file_that_may_not_be_read(project: Any) -> None:
    from stagecraft.config import read

    path = project.write(HEAD)
    path.chmod(0)
    me = os.geteuid()
    if me == 0:  # root can read everything, so be nobody for a moment
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match="permission denied") as caught:
            read(path, {})
    finally:
        os.seteuid(me)
    assert caught.value.hint
