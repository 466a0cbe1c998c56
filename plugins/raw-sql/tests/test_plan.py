"""Comparing files with a database's memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stagecraft_hookspecs.errors import NotFound
from stagecraft_hookspecs.migration import Applied, Migration, MigrationFacts
from stagecraft_raw_sql.plan import compare

A, B, C = "sha256:" + "a" * 64, "sha256:" + "b" * 64, "sha256:" + "c" * 64


def file(name: str, checksum: str = A, *, post: bool = False) -> Migration:
    return Migration(f"{name}.sql", checksum, f"migrations/{name}.sql", post)


def done(name: str, checksum: str = A, part: int = 2, total: int = 2) -> Applied:
    return Applied(f"{name}.sql", checksum, part, total)


@pytest.mark.parametrize(
    ("files", "applied", "pending", "problem"),
    [
        ([], [], [], ""),
        ([file("1_a"), file("2_b")], [], ["1_a", "2_b"], ""),
        ([file("1_a"), file("2_b")], [done("1_a")], ["2_b"], ""),
        ([file("1_a")], [done("1_a")], [], ""),
        ([file("1_a", B)], [done("1_a")], [], "recorded sha256:aaaaaaaaaaaaaaaa, file sha256:bbbb"),
        ([file("1_a", B)], [done("1_a", A, 1)], ["1_a"], ""),
        ([file("2_b")], [done("1_a", B), done("2_b")], [], "its file is gone: recorded sha256:bbbbbbbbbbbbbbbb, file none"),
        ([file("1_a")], [done("1_a"), done("2_b", B)], [], "the database is ahead: 2_b.sql was applied"),
        ([file("1_x"), file("2_b", B)], [done("1_a"), done("2_b", B)], ["1_x"], "1_a.sql was applied and is now named 1_x.sql"),
        ([file("1_a"), file("2_b"), file("3_c")], [done("1_a"), done("3_c")], ["2_b"], "2_b.sql is out of order: 3_c.sql was"),
        ([file("1_a"), file("2_b")], [done("1_a", part=1), done("2_b")], ["1_a"], ""),
        ([file("1_a"), file("2_b", post=True), file("3_c")], [done("1_a"), done("3_c")], ["2_b"], ""),
        ([file("1_a"), file("2_b", post=True), file("3_c")], [done("1_a"), done("2_b")], ["3_c"], ""),
        ([file("1_a", post=True), file("2_b", post=True)], [done("2_b")], ["1_a"], "1_a.sql is out of order: 2_b.sql"),
        ([file("9_a"), file("10_b")], [done("9_a")], ["10_b"], ""),
    ],
)  # fmt: skip
def test_compare(files: list[Migration], applied: list[Applied], pending: list[str], problem: str) -> None:
    plan = compare(files, MigrationFacts(tuple(applied)))
    assert [m.name.removesuffix(".sql") for m in plan.pending] == pending
    if problem:
        assert problem in str(plan.problems[0])
        assert plan.problems[0].hint
        assert plan.problems[0].where
    else:
        assert plan.problems == ()


@pytest.mark.parametrize(
    ("target", "pending"), [("2_b.sql", 2), ("2_b", 2), ("2", 2), ("002", 2), ("1_a.sql", 1), ("", 3)]
)
def test_target(target: str, pending: int) -> None:
    files = [file("1_a"), file("2_b"), file("3_c")]
    assert len(compare(files, MigrationFacts(), target).pending) == pending


@pytest.mark.parametrize("target", ["4", "2_bb.sql", "b"])
def test_unknown_target(target: str) -> None:
    with pytest.raises(NotFound) as caught:
        compare([file("1_a"), file("2_b")], MigrationFacts(), target)
    assert caught.value.hint


NUMBERS = st.lists(st.integers(1, 30), unique=True, max_size=12).map(sorted)


@given(numbers=NUMBERS, cut=st.integers(0, 12))
def test_applying_in_order_never_makes_a_problem(numbers: list[int], cut: int) -> None:
    files = [file(f"{n}_x", f"sha256:{n:064}") for n in numbers]
    applied = tuple(done(f"{n}_x", f"sha256:{n:064}") for n in numbers[:cut])
    plan = compare(files, MigrationFacts(applied))
    assert plan.problems == ()
    assert plan.pending == tuple(files[cut:])


@given(numbers=NUMBERS, applied=st.sets(st.integers(1, 30)))
def test_a_plan_without_problems_continues_what_was_applied(numbers: list[int], applied: set[int]) -> None:
    files = [file(f"{n}_x", f"sha256:{n:064}") for n in numbers]
    facts = MigrationFacts(tuple(done(f"{n}_x", f"sha256:{n:064}") for n in sorted(applied)))
    plan = compare(files, facts)
    good = applied <= set(numbers) and all(n in applied for n in numbers if applied and n <= max(applied))
    assert (plan.problems == ()) == good
