"""Work on Stagecraft: `python3 tasks.py` lists the tasks, `python3 tasks.py NAME` runs one.

Only Python 3.11 with venv and pip is needed; the first start makes an environment in `.venv` and later ones use it.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036, who meets this line has an older one
    sys.exit(
        "error: Stagecraft needs Python 3.11 or newer; this is {}.{} ({})\n"
        "hint: run this file with a newer one, such as `python3.12 tasks.py`".format(
            *sys.version_info[:2], sys.executable
        )
    )

from tools import bootstrap

if __name__ == "__main__":
    bootstrap.enter(__file__, sys.argv[1:])

from invoke import Collection, Context, Program, task


@task
def demo(ctx: Context) -> None:
    """Deploy examples/guestbook without Docker, upgrade it, roll it back, and leave it running."""
    from tools.demo import run_demo

    sys.exit(run_demo())


@task
def demo_stop(ctx: Context) -> None:
    """End what `demo` left running."""
    from tools.demo import stop_demo

    sys.exit(stop_demo())


@task(
    auto_shortflags=False,
    iterable=["only"],
    help={
        "quick": "leave out what needs Docker, databases or Node",
        "only": "a test file or folder; may be given more than once",
        "match": "run tests whose names match this expression; also -k",
        "hosts": "`only`: the tests that need hosts or a registry and no others; `none`: all but these",
    },
)
def test(ctx: Context, quick: bool = False, only: list[str] | None = None, match: str = "", hosts: str = "") -> None:
    """Run all tests; those whose real parts are missing are listed with the command that runs them too."""
    from tools.suite import run_suite

    sys.exit(run_suite(quick=quick, only=tuple(only or ()), match=match, on_hosts=hosts))


@task(auto_shortflags=False, help={"fix": "let ruff put right what it can"})
def lint(ctx: Context, fix: bool = False) -> None:
    """Check style, format and types."""
    from tools.checks import run_checks

    sys.exit(run_checks(fix=fix))


@task
def docs(ctx: Context) -> None:
    """Hold spec/ and the documentation equal to the code."""
    from tools.suite import run_suite

    sys.exit(run_suite(only=("tests/docs",)))


@task(auto_shortflags=False, help={"json": "also write the figures to this file", "only": "run one group of figures"})
def bench(ctx: Context, json: str = "", only: str = "") -> None:
    """Measure speed against the goals; figures are ratios taken in one run."""
    from tools.figures import run_figures

    sys.exit(run_figures("bench", json_file=json, only=only))


@task(auto_shortflags=False, help={"json": "also write the counts to this file", "only": "run one group of faults"})
def faults(ctx: Context, json: str = "", only: str = "") -> None:
    """Break things on purpose and count how each case ends."""
    from tools.figures import run_figures

    sys.exit(run_figures("faults", json_file=json, only=only))


@task(auto_shortflags=False, help={"upgrade": "take the newest versions that are allowed"})
def lock(ctx: Context, upgrade: bool = False) -> None:
    """Write requirements/*.lock from what the distributions declare."""
    from tools.locks import write_locks

    for path in write_locks(upgrade=upgrade):
        print(path.relative_to(bootstrap.ROOT))


@task
def testbed_up(ctx: Context) -> None:
    """Bring up Docker, PostgreSQL, MariaDB and Node for tests, beside the system's own (Debian, root)."""
    from tools.suite import run_module

    sys.exit(run_module("tests.testbed", "up"))


@task
def testbed_down(ctx: Context) -> None:
    """Take down what `testbed up` started."""
    from tools.suite import run_module

    sys.exit(run_module("tests.testbed", "down"))


def namespace() -> Collection:
    """Return all tasks as one collection."""
    testbed = Collection("testbed")
    testbed.add_task(testbed_up, name="up")  # type: ignore[arg-type]  # the decorator hides its type
    testbed.add_task(testbed_down, name="down")  # type: ignore[arg-type]
    return Collection(demo, demo_stop, test, lint, docs, bench, faults, lock, testbed)


def main(arguments: list[str]) -> None:
    """Run the task that a command line names; without one, list them."""
    words = [*arguments] or ["--list"]
    if words[:1] == ["testbed"] and len(words) > 1 and not words[1].startswith("-"):
        words[:2] = [f"testbed.{words[1]}"]
    words = ["--match" if word == "-k" else word for word in words]
    Program(namespace=namespace(), name="tasks.py", binary="python3 tasks.py", version="0").run(["tasks.py", *words])


if __name__ == "__main__":
    main(sys.argv[1:])
