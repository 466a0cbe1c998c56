"""Which release serves, which may be put back, and which has expired."""

from __future__ import annotations

import datetime

import attrs
import pytest
from stagecraft_hookspecs.errors import NotFound, Refused
from stagecraft_hookspecs.values import Phase, Release, Status

from stagecraft.run.history import History, release_id

DONE = dict.fromkeys(Phase, Status.COMPLETED)


def release(serial: int, version: str = "", *, source: int = 0, done: bool = True, **more: object) -> Release:
    made = Release(
        f"rel-{serial}",
        serial,
        "prod",
        version or f"v{serial}",
        command="rollback" if source else "deploy",
        source_id=f"rel-{source}" if source else "",
    )
    return attrs.evolve(made, **{**({"phases": DONE} if done else {}), **more})  # type: ignore[arg-type]


def test_the_last_complete_release_serves() -> None:
    history = History((release(1), release(2), release(3, error="broken", undone=True, done=False)))
    assert history.serving == release(2)
    assert history.unfinished is None


def test_a_release_that_was_killed_is_unfinished() -> None:
    killed = release(2, done=False)
    assert History((release(1), killed)).unfinished == killed


def test_skipped_phases_count_as_complete_but_an_error_never_does() -> None:
    skipped = release(1, phases={**DONE, Phase.PUSH: Status.SKIPPED})
    assert skipped.complete
    assert not attrs.evolve(skipped, error="retire failed").complete
    assert not release(1, phases=dict.fromkeys(Phase, Status.SKIPPED)).complete


def test_rolling_back_twice_goes_two_releases_back() -> None:
    history = History((release(1), release(2), release(3)))
    assert history.source().id == "rel-2"
    after = History((*history.releases, release(4, "v2", source=2)))
    assert after.source().id == "rel-1"
    assert after.origin(after.releases[-1]).id == "rel-2"


def test_a_failed_deploy_is_no_rollback_target() -> None:
    history = History((release(1), release(2, done=False, error="no", undone=True), release(3)))
    assert history.source().id == "rel-1"
    with pytest.raises(Refused, match="rel-2 never was complete") as refused:
        history.source(release_id="rel-2")
    assert refused.value.hint == "possible: rel-1"


def test_by_version_takes_the_newest_of_it() -> None:
    history = History((release(1, "a"), release(2, "b"), release(3, "a"), release(4, "c")))
    assert history.source(version="a").id == "rel-3"
    with pytest.raises(NotFound):
        history.source(version="nope")


def test_what_serves_already_is_refused() -> None:
    with pytest.raises(Refused, match="already serves"):
        History((release(1),)).source(release_id="rel-1")


@pytest.mark.parametrize("releases", [(), (release(1),)])
def test_with_nothing_to_go_back_to_it_says_so(releases: tuple[Release, ...]) -> None:
    with pytest.raises(Refused) as refused:
        History(releases).source()
    assert refused.value.hint


def test_failed_attempts_never_push_a_good_release_out() -> None:
    failed = tuple(release(n, done=False, error="no", undone=True) for n in range(3, 9))
    kept, expired = History((release(1), release(2), *failed)).keep(2, "rel-9")
    assert kept == ("rel-2", "rel-1")
    assert expired == tuple(f"rel-{n}" for n in range(8, 2, -1))


def test_ids_tell_the_time_in_utc_and_never_repeat() -> None:
    now = datetime.datetime(2026, 11, 20, 9, 15, 0, 999_000, tzinfo=datetime.UTC)
    first = release_id(now, [])
    assert first == "rel-20261120-091500999"
    assert release_id(now, [first]) == "rel-20261120-091501000"
