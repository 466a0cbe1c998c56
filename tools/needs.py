"""Run a test that is marked `@pytest.mark.needs("docker")` only where that real part is there.

Each part is looked for once per run, by using it. Where it is missing the test is skipped, and listed at the end with
the command that would run it too; where `STAGECRAFT_REQUIRE` names it (`docker,hosts,postgres`), the test fails.
"""

from __future__ import annotations

import os
import shlex
from functools import cache

import pytest

from tests.testbed import needs

REQUIRE = "STAGECRAFT_REQUIRE"
#: Parts whose state tests change, so that only one run at a time may use them.
SHARED = frozenset({"hosts", "registry"})
NOT_RUN = pytest.StashKey[dict[str, str]]()


def required(value: str) -> frozenset[str]:
    """Return the parts that `STAGECRAFT_REQUIRE` names; raise for one that there is not."""
    parts = frozenset(word.strip() for word in value.split(",") if word.strip())
    if unknown := sorted(parts - needs.PROBES.keys()):
        raise pytest.UsageError(f"{REQUIRE} names {', '.join(unknown)}; there are {', '.join(sorted(needs.PROBES))}")
    return parts


@cache
def missing(part: str) -> str:
    """Return why a part cannot be used, or an empty string; asked once per run."""
    found = needs.PROBES[part]()
    return found.reason if isinstance(found, needs.Missing) else ""


def parts_of(item: pytest.Item) -> list[str]:
    """Return the parts a test needs, sorted; raise for a marker that names none or an unknown one."""
    parts = sorted({str(part) for mark in item.iter_markers("needs") for part in mark.args})
    if any(not mark.args for mark in item.iter_markers("needs")) or set(parts) - needs.PROBES.keys():
        raise pytest.UsageError(
            f"{item.nodeid}: needs({', '.join(parts)}); there are {', '.join(sorted(needs.PROBES))}"
        )
    return parts


def command_for(nodeid: str) -> str:
    """Return the command that brings the missing parts up and runs the test's file."""
    return f"STAGECRAFT_TESTBED=1 python3 tasks.py test --only {shlex.quote(nodeid.partition('::')[0])}"


def pytest_configure(config: pytest.Config) -> None:
    """Start with nothing left out; refuse a wrong `STAGECRAFT_REQUIRE` before any test runs."""
    config.stash[NOT_RUN] = {}
    required(os.environ.get(REQUIRE, ""))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option with which two runs beside each other share the tests out."""
    parser.addoption(
        "--on-hosts", choices=("only", "none"), help="run only, or none, of the tests that need hosts or a registry"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a wrong marker at once, also where its test would not be run; leave out what another run takes."""
    on_hosts = {item: bool(SHARED.intersection(parts_of(item))) for item in items}
    wanted = config.getoption("--on-hosts")
    if wanted:
        config.hook.pytest_deselected(items=[item for item in items if on_hosts[item] is not (wanted == "only")])
        items[:] = [item for item in items if on_hosts[item] is (wanted == "only")]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test one of whose parts is missing, before its fixtures are made."""
    reasons = {part: reason for part in parts_of(item) if (reason := missing(part))}
    for part in sorted(reasons.keys() & required(os.environ.get(REQUIRE, ""))):
        pytest.fail(f"needs {part}, which {REQUIRE} requires: {reasons[part]}", pytrace=False)
    if reasons:
        why = "; ".join(f"needs {part}: {reason}" for part, reason in reasons.items())
        item.config.stash[NOT_RUN][item.nodeid] = why
        pytest.skip(f"{why}; to run it too: {command_for(item.nodeid)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List what was not run for want of a part, by file, each with the command that runs it too."""
    left_out = config.stash[NOT_RUN]
    if not left_out:
        return
    terminalreporter.section("not run: a real part is missing")
    for file in sorted({nodeid.partition("::")[0] for nodeid in left_out}):
        ids = [nodeid for nodeid in left_out if nodeid.partition("::")[0] == file]
        terminalreporter.line(f"{file}: {len(ids)} not run")
        for nodeid in ids:
            terminalreporter.line(f"  {nodeid.partition('::')[2]}: {left_out[nodeid]}")
        terminalreporter.line(f"  to run them too: {command_for(file)}")
    terminalreporter.line(f"{len(left_out)} tests not run; all of them: STAGECRAFT_TESTBED=1 python3 tasks.py test")
    terminalreporter.line("(STAGECRAFT_TESTBED=1 needs Debian and root; it replaces nothing of the system's)")
