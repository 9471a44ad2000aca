"""A soak that a test run can afford, and faults that it finds; `python -m opalink.fuzz.soak` sends ten million."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from opalink.fuzz import soak as soaking
from opalink.fuzz.books import Books, SoakError
from opalink.fuzz.soak import Soak, soak
from opalink.protocol.engine.gateway import Gateway
from opalink.protocol.packets import CounterId, Keepalive, Lane
from opalink.protocol.rehearsal import Grain
from opalink.spec.form import Role

ENOUGH = 20_000  # packets: a few chapters


def test_a_phone_and_a_module_weather_storms() -> None:
    found = soak(ENOUGH, seed=4)
    assert found.packets >= ENOUGH
    assert found.chapters > 1
    assert found.resumes + found.sessions > 1
    assert found.frames > 0


def test_the_same_seed_is_the_same_soak() -> None:
    first, second = (structs.replace(soak(3_000, seed=5), seconds=1.0, grown=0) for _ in range(2))
    assert first == second


def test_a_chapter_can_be_had_alone_and_is_the_same_each_time() -> None:
    first, second = (structs.replace(soak(1, seed=5, first=9), seconds=1.0, grown=0) for _ in range(2))
    assert first == second
    assert first.chapters == 1
    assert soak(1, seed=5, first=10).packets != first.packets
    run = Soak(5, first=9)
    run.module.totals[CounterId.PACKETS_SENT] += 1
    with pytest.raises(SoakError, match="Seed 5, chapter 9: "):
        run.chapter()


def _repeated(arrivals: Callable[..., Any]) -> Callable[..., Any]:
    """Every hundredth packet on the laser arrives twice."""
    count = [0]

    def faulty(self: Gateway, now: int) -> list[Any]:
        out = []
        for arrival in arrivals(self, now):
            count[0] += 1
            out += [arrival, arrival] if count[0] % 100 == 0 and arrival[1] is Lane.LASER else [arrival]
        return out

    return faulty


def _swallowed(arrivals: Callable[..., Any]) -> Callable[..., Any]:
    """Every hundredth packet on the laser is lost, and nothing says so."""
    count = [0]

    def faulty(self: Gateway, now: int) -> list[Any]:
        out = []
        for arrival in arrivals(self, now):
            count[0] += 1
            out += [] if count[0] % 100 == 0 and arrival[1] is Lane.LASER else [arrival]
        return out

    return faulty


@pytest.mark.parametrize(
    ("fault", "what"), [(_repeated, "not sent, or sent before"), (_swallowed, "packets were lost")]
)
def test_a_link_that_repeats_or_swallows_packets_is_found(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any], what: str
) -> None:
    monkeypatch.setattr(Gateway, "arrivals", fault(Gateway.arrivals))
    with pytest.raises(SoakError, match=what):
        soak(ENOUGH, seed=4)


def test_a_side_that_counts_wrong_is_found() -> None:
    run = Soak(4)
    run.module.totals[CounterId.PACKETS_SENT] += 1
    with pytest.raises(SoakError, match="Seed 4, chapter 1: the module says that it sent"):
        run.chapter()


def test_a_frame_that_is_not_what_the_sensor_made_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Grain, "same", lambda *_: False)
    with pytest.raises(SoakError, match="is not what the sensor made"):
        soak(ENOUGH, seed=4)


def test_sides_that_never_meet_again_are_found() -> None:
    run = Soak(4)
    run.chapter()
    run.meeting.take_off()
    with pytest.raises(SoakError, match="the sides do not find together: the phone is in ATTACH DETACHED"):
        run.chapter()


def test_a_process_that_grows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter(range(0, 1 << 40, 1 << 30))
    monkeypatch.setattr(soaking, "_resident", lambda: next(sizes))
    with pytest.raises(SoakError, match="has grown by"):
        soak(ENOUGH, seed=4)


def test_the_books_know_what_arrived_and_what_did_not() -> None:
    books = Books()
    assert books.excused == {Lane.LASER: 0, Lane.SIDEBAND: 0}
    books.send(Role.PHONE, Lane.SIDEBAND, bytes(24), 5)
    books.closed(5)
    assert (books.under_way, books.lost.total()) == (1, 0)  # sent at the last moment, it may still arrive
    books.closed(6)
    assert (books.under_way, books.lost) == (0, {Lane.SIDEBAND: 1})
    assert books.sent.total() - books.arrived.total() == 1


def test_an_audit_finds_nothing_wrong_with_a_packet_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    run, closed = Soak(4), Books.closed

    def at_the_last_moment(books: Books, before: int) -> None:
        run.phone.send(Keepalive())
        run.meeting.run(run.meeting.now)
        closed(books, before)

    monkeypatch.setattr(Books, "closed", at_the_last_moment)
    run.chapter()
    assert run.books.under_way
    run.chapter()


def test_what_is_accounted_for_in_one_chapter_excuses_nothing_in_the_next() -> None:
    run = Soak(4)
    run.books.dropped += 100
    run.chapter()
    assert not run.books.under_way
    run.books._way[Role.PHONE, Lane.LASER, 0].append((0, run.meeting.now))
    run.books.sent[Role.PHONE] += 1
    run.phone.totals[CounterId.PACKETS_SENT] += 1
    with pytest.raises(SoakError, match="1 packets were lost on the LASER lane; 0 are accounted for"):
        run.chapter()


def test_the_command_says_what_came_of_it() -> None:
    command = [sys.executable, "-m", "opalink.fuzz.soak", "--packets", "2000", "--seed", "3"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "packets in" in told.stdout
