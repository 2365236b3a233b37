from __future__ import annotations

import pickle

import pytest

from histohet.common.outcome import OK, Outcome, SlideLost, Status, attempt


def test_every_outcome_but_ok_needs_a_reason() -> None:
    assert OK.ok
    assert not Outcome(Status.REFUSED, "too coarse").ok
    for status in set(Status) - {Status.OK}:
        with pytest.raises(ValueError, match=f"'{status}' needs a reason"):
            Outcome(status)


class Unreadable(SlideLost):
    status = Status.UNREADABLE


def test_a_lost_slide_becomes_an_outcome_and_a_bug_does_not() -> None:
    def lose(error: Exception) -> int:
        raise error

    assert attempt(lambda: 3, 0) == (3, OK)
    refused = attempt(lambda: lose(SlideLost("too coarse")), 0)
    assert refused == (0, Outcome(Status.REFUSED, "too coarse"))
    empty = attempt(lambda: lose(SlideLost("glass", Status.NO_TISSUE)), 0)
    assert empty == (0, Outcome(Status.NO_TISSUE, "glass"))
    assert attempt(lambda: lose(Unreadable("a.svs")), 0)[1] == Outcome(Status.UNREADABLE, "a.svs")
    with pytest.raises(ValueError, match=r"^a bug$"):
        attempt(lambda: lose(ValueError("a bug")), 0)


def test_an_outcome_is_handed_on() -> None:
    OK.raise_if_lost()
    before = Outcome(Status.NO_TILES, "none")
    assert attempt(before.raise_if_lost, None) == (None, before)


def test_what_was_found_before_a_step_goes_on_with_the_slide() -> None:
    note = Outcome(Status.OK, "1 of 9 tiles cannot be decoded and are left out")
    assert attempt(lambda: 3, 0, note) == (3, note)
    lost = Outcome(Status.NO_TILES, "none")
    assert attempt(lambda: pytest.fail("a step with a lost slide"), 0, lost) == (0, lost)


def test_a_note_is_added_once_and_only_to_a_slide_that_takes_part() -> None:
    noted = OK.with_note("doubtful")
    assert noted == Outcome(Status.OK, "doubtful")
    assert noted.with_note("doubtful") == noted.with_note("") == noted
    assert noted.with_note("2 tiles").reason == "doubtful; 2 tiles"
    lost = Outcome(Status.NO_TILES, "none")
    assert lost.with_note("doubtful") == lost


def test_a_lost_slide_crosses_processes() -> None:
    lost = pickle.loads(pickle.dumps(SlideLost("glass", Status.NO_TISSUE)))
    assert lost.outcome == Outcome(Status.NO_TISSUE, "glass")
