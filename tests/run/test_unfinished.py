"""A release that serves while clearing away after it failed: what is said, and that the command that is named works."""

from __future__ import annotations

import json

from .operated import Fleet


def test_a_failure_after_the_switch_says_what_serves_and_what_is_next(fleet: Fleet) -> None:
    (fleet.folder / "fail-retire").touch()
    failed = fleet("deploy", "-v", "2", code=2)
    serving = json.loads(fleet("releases", "list", "--json", code=0).out)
    newest = (serving["releases"] if isinstance(serving, dict) else serving)[0]["id"]
    said = (
        f"{newest} serves; clearing away after it is left: `stagecraft deploy --resume` or the next deploy finishes it"
    )
    assert said in failed.out + failed.err
    (fleet.folder / "fail-retire").unlink()
    fleet("deploy", "--resume", code=0)
