"""How a case ended."""

from __future__ import annotations

from dataclasses import dataclass, field


class Failed(Exception):
    """A case ended in no allowed state; says why."""


@dataclass
class Outcome:
    """How a case ended.

    Attributes:
        verdict: `old`, `new`, `report` or `failed`.
        why: Of a failed one, what was wrong.
        followed: The command that a report named.
        seconds: From the fault until one release served everywhere, the fault being gone by then.
        late: Whether the command ended only after the fault had gone.
        output: What commands said, for one that failed.
    """

    case: str
    verdict: str = "failed"
    why: str = ""
    followed: str = ""
    seconds: float = 0.0
    code: int | None = None
    late: bool = False
    output: list[str] = field(default_factory=list)
