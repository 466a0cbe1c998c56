"""Make the JSON Schema (2020-12) of stagecraft.yml from the classes that it is read into.

Editors use it for completion and first checks. What loads satisfies it; it cannot know everything that loading checks.
Keys that a provider needs are not required here, because base and environment may share them out. A value may also be a
template such as `${PORT}` wherever loading accepts one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from stagecraft.config import shapes
from stagecraft.config.assemble import BLOCK_KINDS
from stagecraft.config.plain import plain
from stagecraft.config.scalars import FORMS
from stagecraft.config.settings import DatabaseSettings, MigrationSettings, OverridableSettings, Settings

if TYPE_CHECKING:
    from stagecraft_hookspecs.provider import Provider

Schema = dict[str, Any]
Classes = Mapping[str, Mapping[str, "type[Provider]"]]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEMPLATE: Schema = {"type": "string", "pattern": r"\$"}
_EXTENSIONS: Schema = {"^x-": True}


def document_schema(classes: Classes) -> Schema:
    """Return the schema of the whole file, with the given providers by kind and name."""
    top = _record(Settings, classes)
    kinds = {kind: {"$ref": f"#/$defs/{kind}"} for kind in BLOCK_KINDS}
    overrides = _record(OverridableSettings, classes)
    environment = {
        "type": ["object", "null"],
        "description": "what is different in this environment",
        "properties": {**overrides["properties"], **kinds},
        "additionalProperties": False,
    }
    environments = {
        "type": "object",
        "description": "environments, each with what it overrides",
        "propertyNames": _names("name"),
        "additionalProperties": environment,
    }
    return {
        "$schema": DIALECT,
        "title": "Stagecraft configuration",
        "type": "object",
        "required": ["project"],
        "properties": {**top["properties"], **kinds, "environments": environments},
        "patternProperties": _EXTENSIONS,
        "additionalProperties": False,
        "$defs": {kind: _provider(kind, classes) for kind in BLOCK_KINDS},
    }


def type_schema(wanted: Any, classes: Classes, partial: bool = False, seen: tuple[type, ...] = ()) -> Schema:
    """Return the schema of a type; `partial` leaves out what is required, as far as merging reaches."""
    if shapes.is_union(wanted):
        found = [type_schema(m, classes, partial, seen) for m in shapes.members(wanted) if m is not type(None)]
        return found[0] if len(found) == 1 else {"anyOf": found}
    if wanted in FORMS:
        return _or_template(dict(FORMS[wanted].schema))
    if shapes.is_enum(wanted) or shapes.is_literal(wanted):
        return _or_template({"enum": list(shapes.choices(wanted))})
    if shapes.is_record(wanted):
        return {"type": "object"} if wanted in seen else _record(wanted, classes, partial, (*seen, wanted))
    if shapes.is_list(wanted):
        return {"type": "array", "items": type_schema(shapes.item_type(wanted), classes, False, seen)}
    if shapes.is_mapping(wanted):
        key, value = shapes.mapping_types(wanted)
        items: Schema = {"type": "object", "additionalProperties": type_schema(value, classes, partial, seen)}
        return {**items, "propertyNames": dict(FORMS[key].schema)} if key in FORMS else items
    category = shapes.category(wanted)
    if category == "any":
        return {}
    return {"type": "string"} if category == "string" else _or_template({"type": category})


def _record(cls: type, classes: Classes, partial: bool = True, seen: tuple[type, ...] = ()) -> Schema:
    fields = shapes.fields(cls)
    found: Schema = {"type": "object", "properties": {f.key: _field(f, classes, partial, seen) for f in fields}}
    if cls is DatabaseSettings:
        found["properties"]["migrations"] = _migrations(classes)
    found["additionalProperties"] = False
    required = [f.key for f in fields if f.required]
    if required and not partial:
        found["required"] = required
    if cls is Settings:
        found["properties"]["project"]["required"] = ["name"]
    return found


def _field(field: shapes.Field, classes: Classes, partial: bool, seen: tuple[type, ...]) -> Schema:
    schema = type_schema(field.type, classes, partial, seen)
    default: Any = field.attribute.default
    if type(None) in shapes.members(field.type) and default is not None:
        schema = {"anyOf": [schema, {"type": "null"}]}
    if field.help:
        schema = {"description": field.help, **schema}
    if hasattr(default, "factory"):
        default = attrs.NOTHING if default.takes_self else default.factory()
    # Secret defaults and empty ones say nothing to the user of an editor.
    if field.secret or default is attrs.NOTHING or default is None or default == () or shapes.is_record(type(default)):
        return schema
    shown = plain(default)
    return {**schema, "default": shown} if shown not in ("", {}, []) else schema


def _names(word: str) -> Schema:
    from stagecraft.config.scalars import FORMATS

    return dict(FORMS[FORMATS[word]].schema)


def _or_template(schema: Schema) -> Schema:
    return {"anyOf": [schema, _TEMPLATE]}


def _config(cls: type[Provider], classes: Classes) -> Schema:
    found = _record(cls.Config, classes, True, (cls.Config,))
    text = (cls.__doc__ or "").strip().split("\n")[0]
    return {"description": text, **found} if text else found


def _provider(kind: str, classes: Classes) -> Schema:
    """Return the schema of a kind's block in each of its written forms."""
    configs = {name: _config(cls, classes) for name, cls in sorted(classes.get(kind, {}).items())}
    name = _or_template({"enum": list(configs)})
    full = {
        "type": "object",
        "properties": {"provider": name, "providers": {"type": "object", "properties": configs}},
        "required": ["providers"],
        "additionalProperties": False,
    }
    forms = [name, full]
    for own, config in configs.items():
        chosen = {"const": own}
        block = {"provider": chosen, own: config}
        if own not in config["properties"]:
            forms.append({"type": "object", "properties": block, "required": [own], "additionalProperties": False})
        properties = {"provider": chosen, **config["properties"]}
        forms.append({"type": "object", "properties": properties, "additionalProperties": False})
    templated = {"type": "object", "properties": {"provider": _TEMPLATE}, "required": ["provider"]}
    return {"description": f"the {kind} provider", "anyOf": [*forms, templated]}


def _migrations(classes: Classes) -> Schema:
    """Return the schema of a database's migrations: the engine's own keys stand beside ours."""
    fields = {f.key: f for f in shapes.fields(MigrationSettings)}
    strategy = _field(fields["strategy"], classes, True, ())
    engines = classes.get("migration", {})
    forms: list[Schema] = []
    for name, cls in sorted(engines.items()):
        config = _config(cls, classes)
        engine = {"description": fields["engine"].help, "const": name}
        properties = {**config["properties"], "engine": engine, "strategy": strategy}
        forms.append({"type": "object", "properties": properties, "additionalProperties": False})
    templated = {"type": "object", "properties": {"engine": _TEMPLATE, "strategy": strategy}, "required": ["engine"]}
    return {"description": "how its schema is migrated", "anyOf": [*forms, templated]}
