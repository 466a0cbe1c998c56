"""Build plain data and marks from the YAML parser's events, with a stack of its own.

Marks mirror the data: a scalar's is where it starts; a container's is `(start, children, tag)`, where children is
`{key: (key start, marks)}` or a list of marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import yaml
from stagecraft_hookspecs.errors import ConfigError, Mark, Problem

from stagecraft.yaml_scalars import resolve_scalar

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 100
MAX_ALIASED = 100_000

_CORE = "tag:yaml.org,2002:"


class Start:
    """Stand for the beginning of a source in which nothing else has a place."""

    line = 0
    column = 0


@attrs.define
class _Frame:
    """A container that is being read: its data, its marks, and how many nodes it stands for."""

    data: Any
    marks: Any
    start: Any
    anchor: str | None
    tag: str | None
    size: int = 1
    key: str | None = None
    key_start: Any = None
    merges: list[tuple[Any, Any]] | None = None
    merging: bool = False


@attrs.define
class DocumentReader:
    """Read the documents of one source; `allowed` are its application tags, None for any."""

    name: str
    allowed: frozenset[str] | None
    resolve: Callable[[str], Any] = resolve_scalar
    problems: list[Problem] = attrs.Factory(list)
    aliased: int = 0
    tagged: bool = False

    def documents(self, loader: Any) -> list[tuple[Any, Any, bool]]:
        """Read every document as `(data, marks, whether it has application tags)`; add faults to `problems`."""
        documents = []
        while not loader.check_event(yaml.StreamEndEvent):
            event = loader.get_event()
            if type(event) is yaml.DocumentStartEvent:
                self.tagged = False
                data, marks = self.document(loader)
                documents.append((data, marks, self.tagged))
        return documents

    def document(self, loader: Any) -> tuple[Any, Any]:
        stack: list[_Frame] = []
        anchors: dict[str, tuple[Any, Any, int] | None] = {}
        result: tuple[Any, Any] = (None, Start())
        next_event = loader.get_event
        while True:
            event = next_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                frame = stack[-1] if stack else None
                if frame is not None and type(frame.data) is dict and frame.key is None:
                    self.take_key(frame, event)
                    if event.anchor:
                        anchors[event.anchor] = (event.value, event.start_mark, 1)
                    continue
                data, marks, size = self.scalar(event), event.start_mark, 1
                if event.tag and not event.tag.startswith(_CORE) and event.tag != "!":
                    marks = (marks, None, event.tag)
                if event.anchor:
                    anchors[event.anchor] = (data, marks, 1)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self.open(stack, anchors, event, kind is yaml.MappingStartEvent)
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                frame = stack.pop()
                if frame.merges:
                    _merge(frame)
                data, marks, size = frame.data, (frame.start, frame.marks, frame.tag), frame.size
                if frame.anchor:
                    anchors[frame.anchor] = (data, marks, size)
            elif kind is yaml.AliasEvent:
                data, marks, size = self.alias(stack, anchors, event)
            else:  # the document's end
                return result
            if stack:
                self.place(stack[-1], data, marks, size)
            else:
                result = (data, marks)

    def open(self, stack: list[_Frame], anchors: dict[str, Any], event: Any, mapping: bool) -> None:
        if len(stack) >= MAX_DEPTH:
            self.stop(event, f"values are nested more than {MAX_DEPTH} deep", "flatten this part of the file")
        if stack and type(stack[-1].data) is dict and stack[-1].key is None:
            self.stop(event, "a key must be a string, not a list or mapping", "a value such as {{ x }} needs quotes")
        if event.anchor:
            anchors[event.anchor] = None
        tag = event.tag
        if tag is not None and (tag.startswith(_CORE) or tag == "!"):
            tag = None
        elif tag is not None:
            self.check_tag(event)
        stack.append(_Frame({} if mapping else [], {} if mapping else [], event.start_mark, event.anchor, tag))

    def take_key(self, frame: _Frame, event: Any) -> None:
        key = event.value
        plain = event.implicit[0] and not event.tag
        frame.key_start = event.start_mark
        if plain and key == "<<":
            frame.key = "<<"
            if frame.merges is not None:
                self.add(event, "the key `<<` appears twice in this mapping", "write `<<: [*one, *two]`")
            frame.merges = frame.merges or []
            frame.merging = True
            return
        if plain and not isinstance(resolve_scalar(key), str):
            shown = key if key else "(empty)"
            self.add(event, f"a key must be a string, and {shown} is not", f'write "{key}" in quotes')
        if key in frame.marks:
            self.duplicate(frame, key, event)
        frame.key = key

    def duplicate(self, frame: _Frame, key: str, event: Any) -> None:
        first = frame.marks[key][0].line + 1
        self.add(event, f"the key `{key}` appears twice in this mapping (first on line {first})", "keep one of the two")

    def place(self, frame: _Frame, data: Any, marks: Any, size: int) -> None:
        frame.size += size
        if type(frame.data) is list:
            frame.data.append(data)
            frame.marks.append(marks)
            return
        key = frame.key
        frame.key = None
        if frame.merging:
            frame.merging = False
            self.take_merge(frame, data, marks)
            return
        frame.data[key] = data
        frame.marks[key] = (frame.key_start, marks)

    def take_merge(self, frame: _Frame, data: Any, marks: Any) -> None:
        sources = list(zip(data, marks[1], strict=True)) if isinstance(data, list) else [(data, marks)]
        for source, source_marks in sources:
            if not isinstance(source, dict):
                where = self.at(frame.key_start)
                self.problems.append(Problem("`<<` merges mappings only", "give it an alias of a mapping", where))
                return
            if frame.merges is not None:
                frame.merges.append((source, source_marks[1]))

    def alias(self, stack: list[_Frame], anchors: dict[str, Any], event: Any) -> tuple[Any, Any, int]:
        if event.anchor not in anchors:
            self.stop(event, f"no anchor `&{event.anchor}` comes before this alias", "define the anchor first")
        target = anchors[event.anchor]
        if target is None:
            self.stop(event, f"the alias `*{event.anchor}` stands inside its own anchor", "break the circle")
        if stack and type(stack[-1].data) is dict and stack[-1].key is None:
            self.stop(event, "a key must be a string, not an alias", "write the key out")
        data, marks, size = target
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            self.stop(event, f"aliases expand to more than {MAX_ALIASED} values", "use fewer aliases of large anchors")
        return data, marks, size

    def scalar(self, event: Any) -> Any:
        tag = event.tag
        if tag is None or tag == "!":
            return self.resolve(event.value) if tag is None and event.implicit[0] else event.value
        if not tag.startswith(_CORE):
            self.check_tag(event)
            return event.value
        return self.core_tag(tag[len(_CORE) :], event)

    def core_tag(self, tag: str, event: Any) -> Any:
        if tag == "str":
            return event.value
        if tag == "binary":
            return self.binary(event)
        value = resolve_scalar(event.value)
        if tag == "float" and type(value) is int:
            return float(value)
        wanted: Any = {"int": int, "float": float, "bool": bool, "null": type(None)}.get(tag)
        if wanted is not None and type(value) is not wanted:
            self.add(event, f"`{event.value}` is not a value of type {tag}", f"remove `!!{tag}` or correct the value")
        return value

    def binary(self, event: Any) -> str:
        from base64 import b64decode

        try:
            return b64decode(event.value, validate=False).decode("utf-8", "surrogateescape")
        except ValueError:
            self.add(event, "this is not base64", "remove `!!binary` or correct the value")
            return ""

    def check_tag(self, event: Any) -> None:
        self.tagged = True
        if self.allowed is not None and event.tag not in self.allowed:
            self.add(event, f"the tag `{event.tag}` has no meaning here", "remove it")

    def at(self, where: Any) -> Mark:
        return Mark(self.name, where.line + 1, where.column + 1)

    def add(self, event: Any, message: str, hint: str) -> None:
        self.problems.append(Problem(message, where=self.at(event.start_mark), hint=hint))

    def stop(self, event: Any, message: str, hint: str) -> None:
        self.add(event, message, hint)
        raise ConfigError(self.problems)


def _merge(frame: _Frame) -> None:
    """Add merged keys behind the explicit ones; of several sources the earlier wins."""
    for source, source_marks in frame.merges or ():
        for key, value in source.items():
            if key not in frame.data:
                frame.data[key] = value
                frame.marks[key] = source_marks[key]
