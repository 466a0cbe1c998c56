"""Execute a saved plan exactly, or refuse and name what moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import NotFound, Refused

from stagecraft.machine import files
from stagecraft.plan.model import moved, saved
from stagecraft.plan.planner import Planned, make_plan

if TYPE_CHECKING:
    from stagecraft.project import Project


def approved(project: Project, path: Path, name: str) -> Planned:
    """Return the plan of the project as it is now, if it equals the saved one.

    Raises:
        UserError: There is no such file, or it is no saved plan.
        Refused: Something moved since it was saved; every difference is named.
    """
    try:
        text = files.read(path).decode(errors="replace")
    except NotFound:
        raise NotFound("saved plan", name, hint="write one with `stagecraft plan -o FILE`") from None
    document = saved(text, name)
    planned = make_plan(project, str(document["version"]), tuple(document.get("selected", ())))
    differences = moved(document, planned.plan.to_dict())
    if differences:
        raise Refused(
            f"{name} is not what would be deployed now: {'; '.join(differences[:5])}",
            hint="look at the difference, then save and approve a new plan with `stagecraft plan -o FILE`",
            detail="\n".join(differences),
        )
    return planned
