"""Write the expected output of every case anew: `python -m tests.compose.regenerate [NAME…]`, with Docker Compose 2.26.

What compose accepts gets `expected.json` from compose; what it refuses gets `expected.txt` from Stagecraft.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from stagecraft_hookspecs.errors import ConfigError

from tests.compose.cases import CORPUS, REFUSED, Case, cases


def regenerate_accepted(case: Case) -> str:
    """Write what compose prints for the case; return what went wrong."""
    answer = case.ask_compose()
    if answer.returncode:
        return f"{case.folder.name}: compose refuses it: {answer.stderr.strip()}"
    printed = json.dumps(case.relative(json.loads(answer.stdout)), indent=1, sort_keys=True, ensure_ascii=False)
    (case.folder / "expected.json").write_text(printed + "\n")
    return ""


def regenerate_refused(case: Case) -> str:
    """Write the errors that Stagecraft gives for the case; return what went wrong."""
    if case.ask_compose().returncode == 0:
        return f"{case.folder.name}: compose accepts it"
    try:
        case.load()
    except ConfigError as error:
        (case.folder / "expected.txt").write_text(case.relative(str(error)) + "\n")
        return ""
    return f"{case.folder.name}: Stagecraft accepts it"


def main(names: list[str]) -> int:
    """Regenerate the named cases, or all; return the exit code."""
    work = [(regenerate_accepted, case) for case in cases(CORPUS)] + [
        (regenerate_refused, case) for case in cases(REFUSED)
    ]
    with ThreadPoolExecutor() as pool:
        wanted = [(write, case) for write, case in work if not names or case.folder.name in names]
        faults = [fault for fault in pool.map(lambda pair: pair[0](pair[1]), wanted) if fault]
    print("\n".join(faults) or f"{len(wanted)} cases written")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
