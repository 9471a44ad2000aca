"""Twelve planted faults: a copy of the reference module that a fuzzer must see through.

    python -m opalink.fuzz.planted hunt --seconds 120
    python -m opalink.fuzz.planted serve tcp::7000

Each fault breaks one requirement once one to six messages have led up to it: some by a single hostile packet, some by a
packet in the wrong state, some by what only repetition brings about. Each names the shortest case that shows it. That
all are found within two minutes, over TCP and on one core, is what the fuzzer is held to; each alone is a test of the
operators that find it.

Plan: the fault · one message · two · three · four to six · the module · the hunt.
"""

import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

import click
from msgspec import Struct, structs

from opalink.conformance.specimen import (
    STATUS,
    TXN,
    TYPE,
    Specimen,
    decoded,
    is_request,
    is_response,
    load,
    put,
    refuse,
    success,
    txn_of,
)
from opalink.fuzz.case import Case, parse, text
from opalink.fuzz.guide import Campaign, Fuzzer, Limits
from opalink.fuzz.player import Player
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, ResetKind
from opalink.protocol.transport.host import Listener

# ── The fault ────────────────────────────────────────────────────────────────────────────────────────


class Fault:
    """What is wrong with a module. `hears` sees what comes and may crash or alter it, `says` alters what goes.
    `requirement` is the one that it breaks, or its key; `shortest` the steps of the shortest case that shows it."""

    requirement: ClassVar[str]
    shortest: ClassVar[str]

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()  # successful responses, by type

    def hears(self, data: bytes) -> bytes:
        return data

    def says(self, data: bytes) -> bytes:
        if is_response(data) and data[STATUS] in (Status.OK, Status.ADJUSTED):
            self.counts[data[TYPE]] += 1
        return self.alter(data)

    def alter(self, data: bytes) -> bytes:
        return data

    @classmethod
    def id_of(cls) -> str:
        """The requirement's ID."""
        known = catalogue().by_key.get(cls.requirement)
        return known.id if known else cls.requirement

    @classmethod
    def case(cls) -> Case:
        """The shortest case that shows it."""
        return parse(f"opalink-case 1\n{cls.shortest}\n")


# ── One message ──────────────────────────────────────────────────────────────────────────────────────


class ManyProperties(Fault):
    """Has room for 60 properties in a PROP_GET."""

    requirement = "R-WIRE-021"
    shortest = 'reach READY\nsend PROP_GET request {"wanted":[' + ",".join(['{"id":256}'] * 61) + "]}"

    def hears(self, data: bytes) -> bytes:
        if is_request(data) and data[TYPE] == PacketType.PROP_GET:
            packet = decoded(data)
            if packet is not None and len(packet.body.wanted) > 60:
                raise IndexError("no room for so many properties")
        return data


class AnyFocusMode(Fault):
    """Takes a mode of FOCUS_MOVE that it does not know for the first one."""

    requirement = "FOCUS_MOVE.request.mode.member"
    shortest = 'reach READY\nsend FOCUS_MOVE request {"mode":200}'

    def hears(self, data: bytes) -> bytes:
        packet = decoded(data) if is_request(data) and data[TYPE] == PacketType.FOCUS_MOVE else None
        if packet is None or isinstance(packet.body.mode, p.FocusMode):
            return data
        return codec.encode(structs.replace(packet, body=structs.replace(packet.body, mode=p.FocusMode(0))))


class EchoesReserved(Fault):
    """Returns the reserved bit of a request's header in the response."""

    requirement = "R-WIRE-013"
    shortest = "reach READY\nsend STATE_GET request spare0=1"

    def __init__(self) -> None:
        super().__init__()
        self._marked: set[int] = set()

    def hears(self, data: bytes) -> bytes:
        if is_request(data) and data[0] & 1:
            self._marked.add(txn_of(data))
        return data

    def alter(self, data: bytes) -> bytes:
        marked = is_response(data) and txn_of(data) in self._marked
        return put(data, 0, bytes([data[0] | 1])) if marked else data


# ── Two messages ─────────────────────────────────────────────────────────────────────────────────────


class Impatient(Fault):
    """Is busy when a TEST_PATTERN is repeated."""

    requirement = "R-WIRE-008"
    shortest = "reach READY\nsend TEST_PATTERN request\nagain 1"

    def __init__(self) -> None:
        super().__init__()
        self._given: set[int] = set()

    def alter(self, data: bytes) -> bytes:
        if not is_response(data) or data[TYPE] != PacketType.TEST_PATTERN:
            return data
        again = txn_of(data) in self._given
        self._given.add(txn_of(data))
        return refuse(data, Status.BUSY) if again and data[STATUS] == Status.OK else data


class BudgetUnlocks(Fault):
    """Forgets in which state it is for STREAM_CONTROL, once it has had a PWR_BUDGET."""

    requirement = "R-WIRE-027"
    shortest = 'reach READY\nsend PWR_BUDGET request {"max":15000}\nsend STREAM_CONTROL request'

    def alter(self, data: bytes) -> bytes:
        wrong = is_response(data) and data[TYPE] == PacketType.STREAM_CONTROL and data[STATUS] == Status.BAD_STATE
        if not wrong or not self.counts[PacketType.PWR_BUDGET]:
            return data
        return load(put(data, STATUS, b"\0"), success(data[TYPE]))


class AnswersAnswers(Fault):
    """Answers responses, once it has had a KEEPALIVE."""

    requirement = "R-WIRE-004"
    shortest = "reach READY\nsend KEEPALIVE request\nsend STATE_GET response"
    echoes: bytes = b""

    def hears(self, data: bytes) -> bytes:
        if len(data) > 16 and is_response(data) and decoded(data) and self.counts[PacketType.KEEPALIVE]:
            self.echoes = data
        return data


# ── Three messages ───────────────────────────────────────────────────────────────────────────────────


class Leaks(Fault):
    """Takes memory for every COUNTERS_GET that it never gives back, and has enough for two."""

    requirement = "R-WIRE-021"
    shortest = "reach READY" + "\nsend COUNTERS_GET request" * 3

    def hears(self, data: bytes) -> bytes:
        if is_request(data) and data[TYPE] == PacketType.COUNTERS_GET and self.counts[data[TYPE]] >= 2:
            raise MemoryError("the heap is full")
        return data


class LosesCount(Fault):
    """Once FOCUS_MOVE and OPTIC_SET have been heard, gives the response to PROP_SET another transaction number."""

    requirement = "R-WIRE-009"
    shortest = "reach READY\nsend FOCUS_MOVE request\nsend OPTIC_SET request\nsend PROP_SET request"

    def __init__(self) -> None:
        super().__init__()
        self._heard: set[int] = set()

    def hears(self, data: bytes) -> bytes:
        if is_request(data):
            self._heard.add(data[TYPE])
        return data

    def alter(self, data: bytes) -> bytes:
        both = self._heard.issuperset({PacketType.FOCUS_MOVE, PacketType.OPTIC_SET})
        if not both or not is_response(data) or data[TYPE] != PacketType.PROP_SET:
            return data
        return put(data, TXN, ((txn_of(data) + 0x4000) % 0xFFFF + 1).to_bytes(2, "little"))


# ── Four to six messages ─────────────────────────────────────────────────────────────────────────────


class SixControls(Fault):
    """Refuses the sixth STREAM_CONTROL that succeeds with a status of firmware updates."""

    requirement = "R-WIRE-022"
    shortest = "reach PAUSED" + "".join(f'\nsend STREAM_CONTROL request {{"mask":1,"op":{op}}}' for op in (3, 2, 3, 2))

    def alter(self, data: bytes) -> bytes:
        sixth = self.counts[PacketType.STREAM_CONTROL] >= 6
        if sixth and is_response(data) and data[TYPE] == PacketType.STREAM_CONTROL and data[STATUS] == Status.OK:
            return refuse(data, Status.FW_ROLLBACK)
        return data


class ForgetsType(Fault):
    """Answers the fifth TEST_PATTERN that succeeds as a FLUSH."""

    requirement = "R-WIRE-010"
    shortest = "reach READY" + "\nsend TEST_PATTERN request" * 5

    def alter(self, data: bytes) -> bytes:
        fifth = self.counts[PacketType.TEST_PATTERN] >= 5
        if fifth and is_response(data) and data[TYPE] == PacketType.TEST_PATTERN:
            return put(data, TYPE, bytes([PacketType.FLUSH]))
        return data


class Drifts(Fault):
    """Reports a position of the lens beyond its limits after the fifth FOCUS_MOVE."""

    requirement = "R-LEN-012"
    shortest = "reach READY" + "\nsend FOCUS_MOVE request" * 5 + "\ndelay 100000000"

    def __init__(self) -> None:
        super().__init__()
        self._moves = 0

    def hears(self, data: bytes) -> bytes:
        self._moves += is_request(data) and data[TYPE] == PacketType.FOCUS_MOVE
        return data

    def alter(self, data: bytes) -> bytes:
        if self._moves < 5 or data[TYPE] != PacketType.FOCUS_STATE:
            return data
        packet = decoded(data)
        if packet is None or not isinstance(packet.body, p.FocusState):
            return data
        beyond = structs.replace(packet.body, position=packet.body.near_limit + 1)
        return codec.encode(structs.replace(packet, body=beyond))


class Offended(Fault):
    """Gives no reason for its refusals from the sixth BAD_VALUE on."""

    requirement = "R-WIRE-019"
    shortest = "reach READY" + "\nsend PROP_GET request payload=00" * 6

    def __init__(self) -> None:
        super().__init__()
        self._refusals = 0

    def alter(self, data: bytes) -> bytes:
        if not is_response(data) or data[STATUS] != Status.BAD_VALUE:
            return data
        self._refusals += 1
        return put(data, STATUS, bytes([Status.UNSPECIFIED])) if self._refusals >= 6 else data


# ── The module ───────────────────────────────────────────────────────────────────────────────────────

FAULTS: Final[tuple[type[Fault], ...]] = (
    ManyProperties, AnyFocusMode, EchoesReserved, Impatient, BudgetUnlocks, AnswersAnswers, Leaks, LosesCount,
    SixControls, ForgetsType, Drifts, Offended,
)  # fmt: skip


class Planted(Specimen):
    """The reference module with faults planted in it: all of them, or those of a subclass."""

    kinds: ClassVar[tuple[type[Fault], ...]] = FAULTS

    def __init__(self) -> None:
        super().__init__()
        self._faults = [kind() for kind in self.kinds]

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        for fault in self._faults:
            data = fault.hears(data)
            if isinstance(fault, AnswersAnswers) and fault.echoes:
                self.extra.append(Departure(self.now, lane, fault.echoes))
                fault.echoes = b""
        return data

    def says(self, d: Departure) -> Iterable[Departure]:
        data = d.data
        for fault in self._faults:
            data = fault.says(data)
        return (structs.replace(d, data=data),)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        if kind is ResetKind.COLD:
            self._faults = [kind_() for kind_ in self.kinds]
        super().reset(kind, seed, now)


def only(fault: type[Fault]) -> type[Planted]:
    """The module with one fault."""
    return type(fault.__name__, (Planted,), {"kinds": (fault,), "__doc__": fault.__doc__})


def __getattr__(name: str) -> type[Planted]:
    """`only_NAME` is the module with one fault: py:opalink.fuzz.planted:only_Drifts."""
    found = next((f for f in FAULTS if f"only_{f.__name__}" == name), None)
    if found is None:
        raise AttributeError(f"no fault is called {name!r}")
    return only(found)


# ── The hunt ─────────────────────────────────────────────────────────────────────────────────────────


class Caught(Struct, frozen=True):
    """A planted fault, and when and by which case it was found: seconds, plays, messages. `least` is the number of
    messages of its shortest case."""

    fault: str
    requirement: str
    least: int
    found: bool = False
    seconds: float = 0.0
    executions: int = 0
    messages: int = 0


def caught(campaign: Campaign) -> list[Caught]:
    """Which of the faults a campaign against the whole module has found. Two break one requirement: they are told
    apart by the module's last words."""
    out = []
    for fault in FAULTS:
        least, requirement = fault.case().messages, fault.id_of()
        words = {ManyProperties: "IndexError", Leaks: "MemoryError"}.get(fault, "")
        hits = [
            f
            for f in campaign.found.values()
            if f.confirmed.finding.requirement == requirement and f.confirmed.finding.last.startswith(words)
        ]
        if not hits:
            out.append(Caught(fault.__name__, requirement, least))
            continue
        first = min(hits, key=lambda f: f.seconds)
        shortest = min(f.confirmed.case.messages for f in hits)
        out.append(Caught(fault.__name__, requirement, least, True, first.seconds, first.executions, shortest))
    return out


def hunt(uri: str, seconds: float, seed: int, clock: Callable[[], float] = time.monotonic) -> Campaign:
    """A campaign against the whole module at a URI, until all faults are found or the time is over."""
    with Player(uri) as player:
        fuzzer = Fuzzer(player, seed, clock=clock)
        return fuzzer.run(Limits(seconds=seconds), until=lambda c: all(x.found for x in caught(c)))


def _serve(uri: str, ready: Any) -> None:
    logging.disable()  # that an endpoint fails is what it is there for
    with Listener(uri) as listener:
        ready.send(listener.uri)
        while True:
            listener.serve(Planted)


@click.group()
def main() -> None:
    """Twelve planted faults."""


@main.command("list")
def list_() -> None:
    """List the faults: the requirement that each breaks, and the shortest case that shows it."""
    for fault in FAULTS:
        click.echo(f"{fault.__name__}: {fault.__doc__}\n{fault.id_of()}, {fault.case().messages} messages")
        click.echo("".join(f"    {row[:100]}\n" for row in fault.shortest.splitlines()))


@main.command()
@click.argument("uri")
def serve(uri: str) -> None:
    """Serve the module with all faults at URI."""
    with Listener(uri) as listener:
        click.echo(f"listening at {listener.uri}", err=True)
        while True:
            listener.serve(Planted)


@main.command("hunt")
@click.option("--seconds", default=120.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
def hunt_(seconds: float, seed: int) -> None:
    """Look for all faults over TCP, and print which were found when, and with how many messages. Seconds are those of
    one processor that both sides share, whatever else this machine does."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=("tcp::0", theirs), daemon=True)
    server.start()
    theirs_too = ~(server.pid or 0) << 3 | 2  # Linux's clock of a process: what it has worked

    def worked() -> float:
        return time.process_time() + time.clock_gettime(theirs_too)

    begun = time.monotonic()
    try:
        campaign = hunt(ours.recv(), seconds, seed, worked)
    finally:
        server.terminate()
        server.join()
    found = caught(campaign)
    for c in found:
        what = f"{c.seconds:6.1f} s {c.executions:7} cases, {c.messages} messages" if c.found else "not found"
        click.echo(f"{c.fault:<15} {c.requirement:<12} shortest {c.least}: {what}")
    ids = {c.requirement for c in found}
    others = [f for f in campaign.found.values() if f.confirmed.finding.requirement not in ids]
    for f in others:
        click.echo(f"also: {f.confirmed.finding}\n{text(f.confirmed.case)}")
    took = time.monotonic() - begun
    click.echo(f"{campaign.executions} cases in {campaign.seconds:.1f} s of one processor, {took:.1f} s by the clock")
    sys.exit(0 if all(c.found and c.messages <= c.least + 4 for c in found) else 1)


if __name__ == "__main__":
    main()
