"""The same configuration in TOML, with places."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_hookspecs.errors import ConfigError

from stagecraft.config import read
from stagecraft.config.toml_marks import load_toml

SHOP = """\
# a shop
runtime = "process"
[project]
name = "shop"
[backend]
provider = "generic"
[backend.providers.generic]
service = "api"
dev = {command = ["npm", "run", "dev"], env = {PORT = "4000"}}
[[hosts.app]]
name = "app-1"
[[hosts.app]]
name = "app-2"
port = 2222
[environments.prod.rollout]
soak = "30s"
"""


def test_toml_means_what_yaml_means(project: Any) -> None:
    config = project.load(SHOP, "prod", "stagecraft.toml")
    assert [(h.name, h.port) for h in config.hosts] == [("app-1", 22), ("app-2", 2222)]
    assert config.rollout.soak == 30.0
    assert config.providers["backend"].config.dev.command == ("npm", "run", "dev")
    assert str(config.mark("rollout", "soak")) == "stagecraft.toml:16:8"


def test_a_table_of_pyproject(project: Any) -> None:
    text = '[project]\nname = "python"\n[tool.stagecraft.project]\nname = "shop"\n[tool.stagecraft]\nruntime = 5\n'
    assert project.faults(text, None, "pyproject.toml") == [
        "pyproject.toml:6:11: runtime: expected a provider's name or a mapping, got 5"
    ]
    assert project.load(text.replace("5", '"process"'), None, "pyproject.toml").project == "shop"


def test_faults_have_places(project: Any) -> None:
    text = (
        SHOP.replace("2222", '"x"')
        .replace('"30s"', "true")
        .replace("PORT = ", "PORT = 5 #")
        .replace('"4000"}}', "\n}}")
    )
    text = SHOP.replace("2222", '"x"').replace('"30s"', "true").replace('"run"', "5") + "kepp = 3\n"
    assert project.faults(text, "prod", "stagecraft.toml") == [
        "stagecraft.toml:9:26: backend.providers.generic.dev.command[1]: expected a string, got 5",
        'stagecraft.toml:14:8: hosts.app[1].port: expected a port (1 to 65535), got "x"',
        "stagecraft.toml:16:8: environments.prod.rollout.soak: expected a duration, got true",
        "stagecraft.toml:17:1: environments.prod.rollout.kepp: unknown key; did you mean 'keep'?",
    ]


@pytest.mark.parametrize(("text", "where"), [
    ("a = \n", "1:5"), ("a = 1\na = 2\n", "2:6"), ("[x\n", "1:3"), ('a = "x\n', "1:7"), ("a = 1 b = 2", "1:7"),
])  # fmt: skip
def test_syntax_errors_have_places(text: str, where: str) -> None:
    with pytest.raises(ConfigError, match="not valid TOML") as caught:
        load_toml(text, "f.toml")
    assert str(caught.value.where) == f"f.toml:{where}"


@pytest.mark.parametrize("text", [
    'a.b = 1\n"c d".e = 2\n[t."u.v"]\nw = """x\n]\n"""\nz = 1\n',
    "a = [\n  1, # ]\n  [2, 3],\n]\nb = '''\n[no]\n'''\nc = 1\n",
    "[[a]]\nb = 1\n[[a]]\n[a.c]\nd = 1979-05-27T07:32:00Z\n[[a.e]]\nf = 1\n",
    'a = {b = [1, {c = "}"}], d = -1.5e3}\ne = "\\"[x]\\\\"\nf = 1\n',
    "'a''b' = 1\n" if False else "'a' . b = 1\n[ c . 'd' ]\ne = 1\n",
])  # fmt: skip
def test_every_key_is_found_where_it_stands(text: str) -> None:
    marked = load_toml(text, "f.toml")
    lines = text.split("\n")

    def walk(value: Any, path: tuple[Any, ...]) -> None:
        assert marked.exists(path) or not path, path
        if isinstance(value, dict):
            for key, item in value.items():
                where = marked.key_mark((*path, key))
                assert key.split(".")[0] in lines[where.line - 1][where.column - 1 :], (path, key, where)
                walk(item, (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, (*path, index))

    walk(marked.data, ())


@given(st.text(alphabet="ab[]{}=.,'\"\\#\n 1-", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        load_toml(text, "f.toml").mark(("a", "b"))
    except ConfigError as error:
        assert error.where is not None


def test_deep_nesting_is_refused(project: Any) -> None:
    for depth in (150, 5000):
        path = project.write("a = " + "[" * depth + "]" * depth + "\n", "stagecraft.toml")
        with pytest.raises(ConfigError, match="nested"):
            read(path, {})


def test_crlf_and_byte_order_mark(project: Any) -> None:
    assert (
        project.load(b"\xef\xbb\xbf" + SHOP.replace("\n", "\r\n").encode(), "prod", "stagecraft.toml").project == "shop"
    )
