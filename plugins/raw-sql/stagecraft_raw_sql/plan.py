"""Compare the project's files with what a database remembers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from stagecraft_hookspecs.errors import Mark, NotFound, Problem
from stagecraft_hookspecs.migration import Applied, Migration, MigrationFacts, MigrationPlan

from stagecraft_raw_sql.files import version

_SHOWN = len("sha256:") + 16


def short(checksum: str) -> str:
    """Return as much of a checksum as a person compares."""
    return checksum[:_SHOWN] or "none"


def compare(migrations: Sequence[Migration], facts: MigrationFacts, target: str = "") -> MigrationPlan:
    """Return what is pending up to ``target``, and every reason why it may not be applied.

    A file whose statements were applied in part stays pending even when it was edited: whoever applies it compares the
    statements themselves. Files marked ``post`` form an order of their own, since they run after those beside them.
    """
    files = {m.name: m for m in migrations}
    applied = {a.name: a for a in facts.applied}
    pending = [m for m in migrations if m.name not in applied or not applied[m.name].complete]
    problems = [*_edited(files, applied), *_removed(migrations, files, facts.applied), *_late(files, applied, pending)]
    if target:
        pending = [m for m in pending if version(m.name) <= version(_target(migrations, target))]
    return MigrationPlan(tuple(pending), tuple(problems))


def _target(migrations: Sequence[Migration], target: str) -> str:
    """Return the migration that a name, a name without its ending, or a bare number means."""
    for migration in migrations:
        bare = target.isdecimal() and int(target) == version(migration.name)
        if bare or target in (migration.name, migration.name.removesuffix(".sql")):
            return migration.name
    raise NotFound("migration", target, [m.name for m in migrations])


def edited(name: str, path: str, recorded: str, now: str) -> Problem:
    """Describe a file that was changed after it was applied."""
    return Problem(
        f"{name} was edited after it was applied: recorded {short(recorded)}, file {short(now)}",
        "put the file back as it was (git log shows its changes) and write a new migration",
        Mark(path or name),
    )


def late(name: str, path: str, after: str) -> Problem:
    """Describe a file that comes before one that was applied already."""
    return Problem(
        f"{name} is out of order: {after} was applied already",
        f"give it a number above {version(after)}",
        Mark(path or name),
    )


def _edited(files: dict[str, Migration], applied: dict[str, Applied]) -> list[Problem]:
    return [
        edited(name, files[name].path, record.checksum, files[name].checksum)
        for name, record in sorted(applied.items())
        if name in files and record.complete and record.checksum != files[name].checksum
    ]


def _removed(migrations: Sequence[Migration], files: dict[str, Migration], applied: Sequence[Applied]) -> list[Problem]:
    recorded = {a.name for a in applied}
    new = {m.checksum: m for m in migrations if m.name not in recorded}
    last = max((version(name) for name in files), default=-1)
    problems = []
    for record in applied:
        if record.name in files:
            continue
        hash_ = short(record.checksum)
        if twin := new.get(record.checksum):
            message = (
                f"{record.name} was applied and is now named {twin.name}: recorded {hash_}, file {short(twin.checksum)}"
            )
            problems.append(Problem(message, f"rename it back to {record.name}", Mark(twin.path or twin.name)))
        elif version(record.name) > last:
            message = f"the database is ahead: {record.name} was applied, and these files end before it"
            message += f": recorded {hash_}, file none"
            problems.append(Problem(message, "use the project's version that has the file", Mark(record.name)))
        else:
            message = f"{record.name} was applied and its file is gone: recorded {hash_}, file none"
            problems.append(Problem(message, "put the file back; git log -- FILE finds it", Mark(record.name)))
    return problems


def _late(files: dict[str, Migration], applied: dict[str, Applied], pending: Sequence[Migration]) -> list[Problem]:
    problems = []
    for post in (False, True):
        done = [name for name in applied if (name in files and files[name].post) is post]
        newest = max(done, key=version, default="")
        problems += [
            late(m.name, m.path, newest)
            for m in pending
            if m.post is post and m.name not in applied and newest and version(m.name) < version(newest)
        ]
    return problems
