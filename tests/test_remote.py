"""A phone of ours and a module that stands behind a bench."""

import pytest

from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.phone import Phone
from opalink.protocol.transport.bench import Bench
from opalink.protocol.transport.remote import Remote
from opalink.spec.form import SECOND


@pytest.mark.parametrize(
    "uri", ["py:opalink.protocol.engine.module:Module", "sim:macro-tube", "py:tests.second_module:make"]
)
def test_in_virtual_time_a_far_module_is_met_like_a_near_one(uri: str) -> None:
    with Bench.open(uri, clock="virtual") as bench:
        remote = Remote(bench)
        meeting = Meeting(Phone(), remote, pace=remote.pace)
        meeting.put_on()
        assert meeting.run_until(lambda: meeting.phone.reader.complete, 2 * SECOND), meeting.phone.runs["ATTACH"].state
        assert not meeting.phone.complaints


def test_a_still_comes_from_a_far_module() -> None:
    with Bench.open("sim:four-thirds", clock="virtual") as bench:
        remote = Remote(bench)
        meeting = Meeting(Phone(), remote, pace=remote.pace)
        meeting.phone.user.still()
        meeting.put_on()
        assert meeting.run_until(lambda: bool(meeting.phone.frames.stills), 3 * SECOND), meeting.phone.complaints
        assert not meeting.phone.frames.stills[0].missing


def test_in_real_time_it_takes_its_time() -> None:
    with Bench.open("sim:macro-tube", clock="real") as bench:
        remote = Remote(bench)
        meeting = Meeting(Phone(), remote, pace=remote.pace)
        meeting.put_on()
        assert meeting.run_until(lambda: meeting.phone.reader.complete, 5 * SECOND), meeting.phone.runs["ATTACH"].state
