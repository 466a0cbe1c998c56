from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_compose import dotenv

values = st.dictionaries(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True),
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")),
    max_size=5,
)


@given(values)
def test_what_is_dumped_is_loaded(variables: dict[str, str]) -> None:
    assert dotenv.load(dotenv.dump(variables)) == variables
    assert dotenv.dump(variables).count(b"\n") == len(variables)


def test_a_secret_with_quotes_and_newlines_is_quoted_after_it_is_filled() -> None:
    data = dotenv.dump({"A": "x<secret:S>y", "B": "plain"})
    filled = dotenv.fill(data, lambda text: text.replace("<secret:S>", '"\n$\\'))

    assert dotenv.load(filled) == {"A": 'x"\n$\\y', "B": "plain"}


@pytest.mark.needs("docker")
def test_docker_compose_reads_every_character_back(tmp_path: Path) -> None:
    ascii_ = "".join(map(chr, range(32, 127)))
    variables = {
        "ASCII": ascii_,
        "BACKWARDS": ascii_[::-1],
        "CONTROL": "".join(map(chr, range(1, 32))) + "\x7f",
        "ESCAPES": r"\n \t \x \$ \\ \u0041 \101",
        "DOLLARS": "$$ ${HOME} $HOME ${X:-y} $(id)",
        "EMPTY": "",
        "SPACES": "  lead and trail  ",
        "COMMENT": "a #b",
        "UNICODE": "héllo ✓ 🎉",
        "LINES": "a\nb\r\nc\n",
        "END": "x\\",
    }
    (tmp_path / "e.env").write_bytes(dotenv.dump(variables))
    (tmp_path / "c.json").write_text(json.dumps({"services": {"a": {"image": "busybox", "env_file": ["e.env"]}}}))
    argv = ["docker", "compose", "-p", "t", "-f", str(tmp_path / "c.json"), "config", "--format", "json"]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True)
    read = json.loads(printed.stdout)["services"]["a"]["environment"]

    assert {name: value.replace("$$", "$") for name, value in read.items()} == variables
