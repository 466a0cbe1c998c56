"""Whatever a file says, it becomes a configuration or a ConfigError, and never anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stagecraft_hookspecs.errors import ConfigError, UserError

from stagecraft.config import RawConfig, resolve, validate
from stagecraft.config.assemble import BLOCK_KINDS, OVERRIDES
from stagecraft.config.fill import fill
from stagecraft.yaml_marks import load_marked

WORDS = st.sampled_from([
    "api", "app", "db", "one", "generic", "everything", "process", "raw", "command", "local", "prod", "-x", "", "a b",
    "é", "5", "30s", "50%",
    "../x", "${X}", "${UNSET}", "${X:-1}", "${", "$", "$$", "true", "DATABASE_URL", "pre_deploy",
])  # fmt: skip
KEYS = st.one_of(WORDS, st.sampled_from([
    *BLOCK_KINDS, *OVERRIDES, "project", "name", "registry", "environments", "provider", "providers", "dev", "domains",
    "plugins", "role",
    "replicas", "address", "user", "port", "connection_env", "service", "migrations", "engine", "strategy", "path",
    "soak", "max_parallel",
    "keep", "auto_undo", "number", "text", "words", "part", "parts", "size", "flag", "anything", "api_token", "x-y",
]))  # fmt: skip
TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=5)
SCALARS = st.one_of(
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
VALUES: Any = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=25,
)
FILES = st.dictionaries(KEYS, VALUES, max_size=8)
#: Mostly right, so that the later steps see something too.
LIKELY = st.fixed_dictionaries(
    {"project": st.just({"name": "shop"})},
    optional={
        "hosts": st.dictionaries(st.sampled_from(["app", "db"]), st.lists(st.sampled_from(["one", "two", "local"]), max_size=2)),
        "services": st.dictionaries(
            st.sampled_from(["api", "web"]), st.fixed_dictionaries({}, optional={"role": st.sampled_from(["app", "db"])})
        ),
        "backend": st.one_of(st.just("generic"), st.fixed_dictionaries({"provider": st.just("everything")}, optional={
            "text": SCALARS, "number": SCALARS, "either": SCALARS, "port": SCALARS, "wait": SCALARS, "colour": SCALARS,
            "anything": VALUES,
        })),
        "databases": st.dictionaries(st.sampled_from(["main", "other"]), VALUES, max_size=2),
        "rollout": st.dictionaries(st.sampled_from(["soak", "keep", "max_parallel", "auto_undo"]), SCALARS),
        "environments": st.dictionaries(st.sampled_from(["local", "prod"]), st.one_of(st.none(), FILES), max_size=2),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def errors(schema_of_known: Any) -> Any:
    return lambda data: [e.message for e in schema_of_known.iter_errors(data)]


def raw_of(data: Any) -> RawConfig:
    text = json.dumps(data)
    document = load_marked(text, "stagecraft.yml")
    path = Path("/nowhere/stagecraft.yml")
    return RawConfig(path, path.parent, fill(document.data, {"X": "7"}.get), document)


@pytest.fixture(scope="module")
def classes(known: Any) -> Any:
    from stagecraft_hookspecs.errors import NotFound

    def look_up(kind: str, name: str, where: Any) -> Any:
        if name not in known[kind]:
            raise NotFound(f"{kind} provider", name, known[kind], where=where)
        return known[kind][name]

    return look_up


@settings(max_examples=150, deadline=None)
@given(data=st.one_of(FILES, LIKELY))
def test_any_mapping_is_read_or_refused(classes: Any, data: Any) -> None:
    raw = raw_of(data)
    raw.provider_names()
    for environment in raw.environments or ("local",):
        try:
            config = resolve(raw, environment, classes, {"state": "local"})
        except ConfigError as error:
            assert all(p.where and p.hint and "\n" not in p.message for p in error.problems)
            assert validate(raw, classes, {"state": "local"})
        else:
            assert json.loads(json.dumps(config.to_dict())) == config.to_dict()
            assert {(kind, chosen.name) for kind, chosen in config.providers.items()} <= {
                *raw.provider_names(environment), ("state", "local"),
            }  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(data=LIKELY)
def test_what_loads_satisfies_the_schema(classes: Any, errors: Any, data: Any) -> None:
    raw = raw_of(data)
    if not validate(raw, classes, {"state": "local"}):
        assert errors(raw.document.data) == []


@settings(max_examples=50, deadline=None)
@given(data=FILES, name=TEXT)
def test_any_environment_name_is_known_or_refused(classes: Any, data: Any, name: str) -> None:
    try:
        resolve(raw_of(data), name, classes, {})
    except UserError as error:
        assert error.message and error.hint
