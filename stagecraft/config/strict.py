"""Turn plain data into attrs values without coercing anything, collecting every fault with its path.

cattrs dispatches on types; every hook is ours, because its own turn None into "None", "false" into True, 5.7 into 5 and
a string into a list of letters. The converter is the plain one, without code generation: compiling hooks for classes
that are read once costs more than reading them (figures in spec/core/config.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cattrs import BaseConverter
from cattrs.errors import StructureHandlerNotFoundError
from stagecraft_hookspecs.errors import PluginFault

from stagecraft.config import shapes
from stagecraft.config.faults import Fault, Path, Unreadable, hidden, mismatch, reason, unknown_keys
from stagecraft.config.fill import Filled, Unset
from stagecraft.config.leaves import categories, is_form, read_any, read_choice, read_form, read_scalar
from stagecraft.config.scalars import FORMS


def strict_converter() -> BaseConverter:
    """Return a converter whose `structure` raises Unreadable."""
    converter = BaseConverter()
    for kind in (str, int, float, bool):
        converter.register_structure_hook(kind, read_scalar)
    converter.register_structure_hook(type(None), read_scalar)
    converter.register_structure_hook_factory(shapes.is_record, _record_factory(converter))
    for predicate, read in (
        (lambda t: t is Any, lambda _c, v, _t: read_any(v)),
        (shapes.is_list, _list),
        (shapes.is_mapping, _mapping),
        (lambda t: shapes.is_literal(t) or shapes.is_enum(t), lambda _c, v, t: read_choice(v, t)),
        (shapes.is_union, _union),
        (lambda t: is_form(t), lambda _c, v, t: read_form(v, t, FORMS[t])),
    ):
        converter.register_structure_hook_factory(predicate, _factory(converter, read))
    return converter


def structure(converter: BaseConverter, value: Any, wanted: Any, faults: list[Fault], at: Path = ()) -> Any:
    """Return `value` as a `wanted`, or None after adding its faults, seen from the root, to `faults`."""
    try:
        return converter.structure(value, wanted)
    except Unreadable as error:
        faults.extend(Fault((*at, *f.path), f.message, f.got, f.hint, f.at_key) for f in error.faults)
        return None
    except StructureHandlerNotFoundError as error:
        name = getattr(wanted, "__qualname__", str(wanted))
        raise PluginFault(f"the configuration class {name} has a type that cannot be read: {error}") from error


def _factory(converter: BaseConverter, read: Callable[[BaseConverter, Any, Any], Any]) -> Callable[[Any], Any]:
    def make(_wanted: Any) -> Callable[[Any, Any], Any]:
        return lambda value, wanted: read(converter, value, wanted)

    return make


def _union(converter: BaseConverter, value: Any, wanted: Any) -> Any:
    """Read with the alternative whose category the value has; if several have it, with the first that can."""
    if isinstance(value, Unset):
        raise Unreadable()
    found = shapes.category_of(value)
    fitting = [m for m in shapes.members(wanted) if found in categories(m)]
    if isinstance(value, Filled):
        fitting = [m for m in shapes.members(wanted) if not {"list", "mapping", "null"} & set(categories(m))]
    failure = None
    for member in fitting:
        try:
            return converter.structure(value, member)
        except Unreadable as error:
            failure = failure or error
    raise failure or mismatch(value, wanted)


def _list(converter: BaseConverter, value: Any, wanted: Any) -> Any:
    if not isinstance(value, list):
        raise mismatch(value, wanted)
    item, faults, items, bad = shapes.item_type(wanted), list[Fault](), [], False
    for index, element in enumerate(value):
        try:
            items.append(converter.structure(element, item))
        except Unreadable as error:
            bad = True
            faults += [f.below(index) for f in error.faults]
    if bad:
        raise Unreadable(tuple(faults))
    return _container(wanted)(items)


def _container(wanted: Any) -> Callable[[Any], Any]:
    import typing

    origin = typing.get_origin(wanted) or wanted
    return origin if origin in (list, set, frozenset) else tuple


def _mapping(converter: BaseConverter, value: Any, wanted: Any) -> Any:
    if not isinstance(value, dict):
        raise mismatch(value, wanted)
    key_type, item = shapes.mapping_types(wanted)
    bad, faults, items = False, list[Fault](), {}
    for key, element in value.items():
        step = str(key)
        try:
            name = converter.structure(key, key_type)
        except Unreadable as error:
            faults += [Fault((step,), f"{f.message} as the key", f.got, f.hint, True) for f in error.faults]
            bad, name = True, key
        try:
            items[name] = converter.structure(element, item)
        except Unreadable as error:
            faults += [f.below(step) for f in hidden(error.faults, isinstance(key, str) and shapes.looks_secret(key))]
            bad = True
    if bad:
        raise Unreadable(tuple(faults))
    return items


def _record_factory(converter: BaseConverter) -> Callable[[Any], Any]:
    """Return a factory that looks at a class's fields once, however many values of it there are."""

    def make(wanted: Any) -> Callable[[Any, Any], Any]:
        fields = shapes.fields(wanted)
        return lambda value, _wanted: _record(converter, value, wanted, fields)

    return make


def _record(converter: BaseConverter, value: Any, wanted: Any, fields: tuple[shapes.Field, ...]) -> Any:
    if not isinstance(value, dict):
        raise mismatch(value, wanted)
    faults = unknown_keys(value, [f.key for f in fields])
    bad, arguments = bool(faults), {}
    for field in fields:
        try:
            if field.key in value:
                arguments[field.argument] = _field(converter, value[field.key], field)
            elif field.required:
                what = field.help or shapes.describe(field.type)
                faults.append(Fault((field.key,), "is missing", "", f"add `{field.key}`: {what}"))
                bad = True
        except Unreadable as error:
            bad = True
            faults += [f.below(field.key) for f in hidden(error.faults, field.secret)]
    if bad:
        raise Unreadable(tuple(faults))
    try:
        return wanted(**arguments)
    except (ValueError, TypeError) as error:
        raise Unreadable((Fault((), reason(error), "", ""),)) from error


def _field(converter: BaseConverter, value: Any, field: shapes.Field) -> Any:
    """Read one field and ask its own validator, so that its fault has the field's place and hides no other."""
    attribute = field.attribute
    if value is None and attribute.default is None:
        raise mismatch(value, field.type)  # leaving the key out says the same; an empty value is mostly a slip
    read = converter.structure(value, field.type)
    if attribute.validator is None or attribute.converter is not None:
        return read
    try:
        attribute.validator(None, attribute, read)
    except (ValueError, TypeError) as error:
        raise Unreadable((Fault((), reason(error), "", field.help),)) from error
    except AttributeError:
        pass  # it needs the instance; the constructor will ask it
    return read
