"""The JSON Schema: what loads satisfies it, what is broken does not, and it says what the classes say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from stagecraft.config import schema, shapes
from stagecraft.config.settings import Settings

HERE = Path(__file__).parent
HEAD = "project: {name: shop}\n"


GOOD = [
    *((HERE / "good").glob("*.yml")),
    HEAD, HEAD + "backend: generic\n", HEAD + "backend: {provider: generic, service: api}\n",
    HEAD + "backend: {generic: {}, provider: generic}\n",
    HEAD + "x-more: [1]\n",
    HEAD + "environments: {a: , b: {backend: {provider: generic, dev: {workdir: x}}, env_file: [a, b]}}\n",
    HEAD + "hosts: {app: [{name: a, port: '${PORT:-22}'}]}\n"
    "rollout: {keep: '${KEEP:-3}', soak: 1m30s, auto_undo: '${UNDO:-true}'}\n",
    HEAD + "backend: {provider: everything, number: 3, part: {size: 1}, colour: green, either: [a], wait: 30s}\n",
    HEAD + "backend: {provider: everything, anything: {a: [1]}}\n",
    HEAD + "databases: {main: {migrations: {engine: command, command: [m], strategy: manual}}, b: {connection_env: B}}\n",
    HEAD + "runtime: ${RUNTIME:-process}\nproxy: {provider: '${PROXY:-haproxy}'}\n",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD, ids=range(len(GOOD)))
def test_what_loads_satisfies_the_schema(project: Any, schema_of_known: Any, text: Any) -> None:
    raw = project.raw(text.read_text() if isinstance(text, Path) else text)
    for environment in raw.environments or ("local",):
        project.load(raw.path.read_text(), environment)
    assert [e.message for e in schema_of_known.iter_errors(raw.document.data)] == []


@pytest.mark.parametrize("text", [
    "{}", "project: {}", "project: {name: 5}", "project: {name: A}", HEAD + "bakend: generic",
    HEAD + "backend: encore", HEAD + "backend: 5",
    HEAD + "backend: {provider: generic, servise: api}", HEAD + "backend: {provider: generic, service: 5}",
    HEAD + "backend: {provider: generic, providers: {generic: {dev: {workdir: 5}}}}", HEAD + "hosts: {app: one}",
    HEAD + "hosts: {app: [{}]}",
    HEAD + "hosts: {app: [{name: a, port: 0}]}", HEAD + "hosts: {'--x': [a]}", HEAD + "rollout: {soak: fast}",
    HEAD + "rollout: {max_parallel: 0%}",
    HEAD + "rollout: {auto_undo: 'false'}", HEAD + "rollout: {keep: 0}", HEAD + "compose: ../x.yml",
    HEAD + "environments: {a: {project: {}}}",
    HEAD + "environments: {a: {runtime: nonesuch}}", HEAD + "databases: {a: {migrations: {engine: raw, paht: x}}}",
    HEAD + "databases: {a: {migrations: {engine: raw, strategy: now}}}",
    HEAD + "backend: {provider: everything, port: 70000}",
    HEAD + "backend: {provider: everything, colour: blue}", HEAD + "backend: {provider: everything, parts: [{}]}", "[]",
])  # fmt: skip
def test_what_is_broken_does_not(project: Any, schema_of_known: Any, text: str) -> None:
    project.faults(text)
    assert list(schema_of_known.iter_errors(yaml.safe_load(text)))


def test_it_says_what_the_classes_say(project: Any) -> None:
    made = schema(project.known)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    rollout = made["properties"]["rollout"]["properties"]
    assert (rollout["keep"]["default"], rollout["soak"]["description"]) == (
        5,
        "how long to watch the new instances before the old ones are retired",
    )
    assert rollout["max_parallel"]["default"] == "100%"
    assert {f.key for f in shapes.fields(Settings)} < set(made["properties"])
    everything = next(
        form["properties"] for form in made["$defs"]["backend"]["anyOf"]
        if form.get("properties", {}).get("provider") == {"const": "everything"} and "colour" in form["properties"]
    )  # fmt: skip
    assert everything["colour"]["anyOf"][0] == {"enum": ["red", "green"]}
    assert everything["colour"]["default"] == "red"
    assert "default" not in everything["api_token"]


def test_every_key_has_a_description() -> None:
    def walk(cls: type) -> None:
        for field in shapes.fields(cls):
            assert field.help, f"{cls.__name__}.{field.key}"
            for member in shapes.members(field.type):
                inner = shapes.mapping_types(member)[1] if shapes.is_mapping(member) else member
                if shapes.is_record(inner):
                    walk(inner)

    walk(Settings)


def test_it_is_the_same_every_time(project: Any) -> None:
    backwards = {k: dict(reversed(v.items())) for k, v in reversed(project.known.items())}
    assert json.dumps(schema(project.known)) == json.dumps(schema(backwards))


def test_a_class_may_contain_itself(project: Any) -> None:
    made = schema({"backend": {"tree": type("Tree", (), {"Config": Tree, "__doc__": None})}})
    jsonschema.Draft202012Validator.check_schema(made)


@attrs.frozen
class Tree:
    children: tuple[Tree, ...] = ()
