"""The journal of a release: what was begun and what was done, so that a killed run can be continued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_hookspecs.values import Image, Operation

if TYPE_CHECKING:
    from stagecraft_hookspecs.state import Store


class Journal:
    """Append to and read a release's journal. An operation is done only when its ``done`` entry is durable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._begun: set[str] = set()
        self._done: dict[str, Any] = {}
        self._images: dict[str, Image] = {}
        for entry in store.entries():
            if entry.get("event") == "begin":
                self._begun.add(str(entry["operation"]))
            elif entry.get("event") == "done":
                self._remember(str(entry["operation"]), entry.get("result"))

    def begun(self, operation: Operation) -> bool:
        """Tell whether this run or a former one began the operation, so that it may have changed something."""
        return operation.id in self._begun

    def done(self, operation: Operation) -> bool:
        """Tell whether a former run finished the operation."""
        return operation.id in self._done

    def result(self, operation_id: str) -> Mapping[str, Any]:
        """Return what a finished operation returned; empty for one that returned nothing or is not done."""
        found = self._done.get(operation_id)
        return found if isinstance(found, dict) else {}

    @property
    def images(self) -> dict[str, Image]:
        """Return the images that operations reported, by service."""
        return dict(self._images)

    def begin(self, operation: Operation) -> None:
        """Say that an operation is about to change something."""
        self._store.append({"event": "begin", "operation": operation.id})
        self._begun.add(operation.id)

    def finish(self, operation: Operation, result: Any) -> None:
        """Say that an operation is done, with what it returned; what is not JSON is left out, for the work itself is done."""
        kept = result if _is_json(result) else None
        self._store.append({"event": "done", "operation": operation.id, "result": kept})
        self._remember(operation.id, kept)

    def fail(self, operation: Operation, error: str) -> None:
        """Say that an operation failed."""
        self._store.append({"event": "failed", "operation": operation.id, "error": error})

    def note(self, event: str, **details: Any) -> None:
        """Write down anything else: ``undo``, ``undone``, ``resumed``."""
        self._store.append({"event": event, **details})

    def _remember(self, operation: str, result: Any) -> None:
        self._done[operation] = result
        if isinstance(result, dict) and result.get("digest") and result.get("service"):
            self._images[result["service"]] = Image(str(result.get("image", "")), str(result["digest"]))


def _is_json(value: Any) -> bool:
    """Tell whether a journal can hold a value; a plugin may return anything, such as the result of the command it ran."""
    import json

    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
