"""The second implementation: a module from removal to removal, on every road that a vendor takes to it.

Plan: roads · one life · what is refused · what is lost and found again.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastcrc import crc32

import opalink.protocol.packets as opal
from opalink.protocol import codec
from opalink.protocol.packets import Lane, OperationTag, Outcome, PacketType, Status
from opalink.protocol.transport import Bench
from opalink.spec.form import MS
from tests import second_module

# ── Roads ────────────────────────────────────────────────────────────────────────────────────────────

ROADS = {
    "in process": lambda _: "py:tests.second_module:make",
    "as a module": lambda _: f"stdio:{sys.executable} -m tests.second_module",
    "as a copy": lambda folder: (
        f"stdio:{sys.executable} {shutil.copy(second_module.__file__, folder / 'my_module.py')}"
    ),
}


@pytest.fixture(params=list(ROADS.values()), ids=list(ROADS))
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with Bench.open(request.param(tmp_path), clock="virtual") as bench:
        yield bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench.open("py:tests.second_module:make", clock="virtual") as bench:
        yield bench


def ask(bench: Bench, data: bytes) -> codec.Packet:
    """What a request in bytes is answered."""
    bench.send(data, Lane.SIDEBAND)
    found = bench.expect(lambda arrival: bool(codec.decode(arrival.data).rsp), bench.now + 50 * MS)
    assert found is not None
    assert found.lane is Lane.SIDEBAND
    return codec.decode(found.data)


def asked(bench: Bench, body: Any, txn: int) -> Any:
    """The body that answers a request which succeeds."""
    answer = ask(bench, codec.encode(codec.request(body, txn)))
    assert (answer.status, answer.txn) == (Status.OK, txn)
    return answer.body


def arrived(bench: Bench, kind: type, deadline: int) -> codec.Packet:
    found = bench.expect(lambda arrival: isinstance(codec.decode(arrival.data).body, kind), deadline)
    assert found is not None
    return codec.decode(found.data)


def ready(bench: Bench) -> opal.HelloResponse:
    """Attached, and greeted with transaction 1."""
    bench.control(OperationTag.ATTACH, opal.AttachOperation())
    arrived(bench, opal.Beacon, bench.now + 250 * MS)
    greeting: opal.HelloResponse = asked(bench, opal.Hello(phone_nonce=7), 1)
    return greeting


def states(bench: Bench) -> dict[int, int]:
    (answer,) = bench.control(OperationTag.STATE).answer
    return {m.machine: m.state for m in answer.value.machines}


# ── One life ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_life_from_attaching_to_removal(anywhere: Bench) -> None:
    bench = anywhere
    greeting = ready(bench)
    assert arrived(bench, opal.StackReport, bench.now).body.elements == ()
    read = asked(bench, opal.DescRead(length=1000), 2)
    assert (read.total, sha256(read.data).digest()) == (greeting.desc_size, greeting.desc_sha256)
    records = {tlv.tag: tlv.value for tlv in codec.decode_layout("Descriptor", read.data).records}
    assert records[opal.RecordTag.FEATURES].features == greeting.features == opal.Feature.STACK
    begun = bench.now
    assert arrived(bench, opal.Keepalive, begun + 300 * MS).txn
    assert bench.now - begun >= 200 * MS
    assert asked(bench, opal.Keepalive(seq=99), 3).seq == 99
    assert asked(bench, opal.PwrSinkCaps(), 4).max == records[opal.RecordTag.POWER].peak
    for txn, phase in enumerate((opal.EjectPhase.PREPARE, opal.EjectPhase.COMMIT), 5):
        asked(bench, opal.Eject(phase), txn)
    bench.control(OperationTag.DETACH, opal.DetachOperation())
    bench.arrivals.clear()
    bench.run(bench.now + 5000 * MS)
    assert not bench.arrivals
    assert states(bench) == {opal.MachineId.ATTACH: 0, opal.MachineId.POWER: 0}


def test_the_same_seed_gives_the_same_bytes() -> None:
    def life() -> list[bytes]:
        with Bench.open("py:tests.second_module:make", clock="virtual", seed=5) as bench:
            ready(bench)
            bench.run(bench.now + 5000 * MS)
            return [arrival.data for arrival in bench.arrivals]

    assert life() == life()


def test_what_stands_upon_it_is_reported_and_counted(bench: Bench) -> None:
    ready(bench)
    for elements in (1, 0):
        bench.arrivals.clear()
        bench.control(OperationTag.STACK, opal.StackOperation(elements))
        report = arrived(bench, opal.StackReport, bench.now).body
        assert (report.generation, len(report.elements)) == (2 - elements, elements)
    assert bench.control(OperationTag.STACK, opal.StackOperation(2)).result is Outcome.FAILED
    assert asked(bench, opal.PropGet((opal.PropertyId(second_module.STACKED),)), 2).properties[0].value == 2


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────

Sent = tuple[PacketType | int, int, bytes, dict[str, int], Status]  # type, channel, payload, header, what answers it
SENT: dict[str, Sent] = {
    "type": (0xEE, 3, b"", {}, Status.NOT_SUPPORTED),
    "form": (PacketType.BEACON, 0, b"", {}, Status.NOT_SUPPORTED),
    "direction": (PacketType.FW_PULL, 12, b"", {}, Status.NOT_SUPPORTED),
    "feature": (PacketType.PWR_REQUEST, 2, bytes(9), {}, Status.NOT_SUPPORTED),
    "position": (PacketType.STATE_GET, 3, b"", {"instance": 9}, Status.NO_SUCH_ID),
    "channel": (PacketType.STATE_GET, 4, b"", {}, Status.BAD_VALUE),
    "state": (PacketType.EJECT, 3, b"\1\0\0", {}, Status.BAD_STATE),
    "short": (PacketType.EJECT, 3, b"\0", {}, Status.BAD_LENGTH),
    "not TLVs": (PacketType.STATE_GET, 3, b"\0", {}, Status.BAD_LENGTH),
    "range": (PacketType.CANCEL, 3, b"\0\0", {}, Status.BAD_VALUE),
    "member": (PacketType.RESET, 3, b"\0\xff", {}, Status.BAD_VALUE),
    "nothing to cancel": (PacketType.CANCEL, 3, b"\5\0", {}, Status.LATE),
    "no link": (PacketType.RESET, 3, b"\1\0", {}, Status.RANGE_LIMIT),
    "no such object": (PacketType.DESC_READ, 3, b"\1\0" + bytes(4) + b"\1\0", {}, Status.NO_SUCH_ID),
    "reserved bits": (PacketType.STATE_GET, 3, b"", {"spare0": 1, "spare2": 1}, Status.OK),
}


@pytest.mark.parametrize(("code", "channel", "payload", "header", "status"), SENT.values(), ids=SENT)
def test_each_fault_has_its_answer(
    bench: Bench, code: int, channel: int, payload: bytes, header: dict[str, int], status: Status
) -> None:
    ready(bench)
    answer = ask(bench, codec.encode(codec.Packet(type=code, vc=channel, txn=2, body=payload, **header)))
    assert (answer.status, answer.type) == (status, code)
    assert ask(bench, codec.encode(codec.request(opal.StateGet(), 3))).status == Status.OK


@pytest.mark.parametrize(
    "spoil", [lambda x: x[:-1] + bytes([x[-1] ^ 1]), lambda x: x + b"\0", lambda x: x[:9], lambda _: b""]
)
def test_a_damaged_packet_is_counted_and_not_answered(bench: Bench, spoil: Callable[[bytes], bytes]) -> None:
    ready(bench)
    bench.arrivals.clear()
    bench.send(spoil(codec.encode(codec.request(opal.StateGet(), 2))), Lane.SIDEBAND)
    bench.run(bench.now + 100 * MS)
    assert not bench.arrivals
    counters = asked(bench, opal.CountersGet(opal.CounterGroup.PACKET), 3).counters
    assert [c.id for c in counters if c.count] == [opal.CounterId.BAD_CRC]


def test_another_version_is_refused_in_the_words_of_ours(bench: Bench) -> None:
    ready(bench)
    data = codec.encode(codec.request(opal.StateGet(), 2))
    foreign = bytes([data[0] + 0x10]) + data[1:-4]
    answer = ask(bench, foreign + crc32.iscsi(foreign).to_bytes(4, "little"))
    assert (answer.status, answer.txn) == (Status.BAD_VERSION, 2)


def test_a_repeated_request_is_answered_again_and_not_acted_on(bench: Bench) -> None:
    ready(bench)
    again = ask(bench, codec.encode(codec.request(opal.Hello(phone_nonce=8), 1)))
    assert again.body.session == 1
    assert asked(bench, opal.Hello(phone_nonce=8), 2).session == 2


# ── What is lost and found again ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("away", "status"), [(1500, Status.OK), (3500, Status.NEEDS_SESSION)])
def test_a_session_outlives_a_silence_of_less_than_the_hold_over(bench: Bench, away: int, status: Status) -> None:
    greeting = ready(bench)
    bench.run(bench.now + away * MS)
    assert states(bench)[opal.MachineId.ATTACH] == list(second_module.STATES["ATTACH"]).index(
        "LINK_LOST" if status is Status.OK else "BEACON"
    )
    resume = opal.Hello(
        phone_nonce=9,
        resume_session=greeting.session,
        last_phone_nonce=7,
        last_module_nonce=greeting.module_nonce,
    )
    answer = ask(bench, codec.encode(codec.request(resume, 2)))
    assert answer.status is status
    if status is Status.OK:
        assert answer.body.session == greeting.session


@pytest.mark.parametrize("level", opal.ResetLevel)
def test_a_reset_is_answered_and_then_carried_out(bench: Bench, level: opal.ResetLevel) -> None:
    ready(bench)
    answer = ask(bench, codec.encode(codec.request(opal.Reset(level), 2)))
    if level is opal.ResetLevel.LINK:
        assert answer.status is Status.RANGE_LIMIT
        return
    assert answer.status is Status.OK
    arrived(bench, opal.Beacon, bench.now + 250 * MS)
    assert asked(bench, opal.Hello(), 3).session == (2 if level is opal.ResetLevel.PROTOCOL else 1)
