"""The zoo: implementations with one habit each, and what a campaign must say of them.

A suite is only worth what it catches. The bad ones must fail, and for the right reason: the requirements that they are
charged with. The odd ones are legal, and must pass: they guard against a suite that fails what it did not expect.

    opalink certify py:opalink.conformance.zoo.roster:Mute
    opalink certify 'stdio:python -m opalink.conformance.zoo.roster Hang'        what needs a process of its own

Plan: whole bodies · channels · odd and legal ones · the list · what is expected.
"""

import os
import shlex
import sys
import time
from collections.abc import Iterable
from random import Random
from typing import ClassVar, Final

from msgspec import Struct, structs

from opalink.conformance.bundle.results import Campaign
from opalink.conformance.purposes import Plan
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.conformance.zoo import (
    flit_receivers,
    flit_senders,
    flit_specimens,
    flit_variations,
    reciter,
    sideband_specimens,
    variations,
    witnesses,
    witnesses_bench,
    witnesses_bench_time,
    witnesses_descriptor,
    witnesses_frame,
    witnesses_journeys,
    witnesses_lens,
    witnesses_link,
    witnesses_management,
    witnesses_motion,
    witnesses_phone,
    witnesses_phone_duties,
    witnesses_phone_link,
    witnesses_phone_sink,
    witnesses_power,
    witnesses_repair,
    witnesses_session,
    witnesses_timers,
)
from opalink.conformance.zoo.specimen import STATUS, TYPE, Altered, Claiming, Habit, Specimen, is_response, of_later
from opalink.conformance.zoo.witnesses_phone import PhoneSpecimen
from opalink.protocol.codec import Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.module import Module
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import PacketType, RecordKind, ResetKind
from opalink.protocol.transport import Channel
from opalink.protocol.transport.channel import StandardStreams
from opalink.protocol.transport.framing import RecordReader
from opalink.protocol.transport.host import serve
from opalink.spec.form import MS, Role

# ── Whole bodies ─────────────────────────────────────────────────────────────────────────────────────


class Breaking(Altered):
    """Breaks when it must refuse something."""

    causes = ("R-WIRE-021",)

    def alter(self, data: bytes) -> bytes:
        if is_response(data) and data[STATUS] in (Status.BAD_VALUE, Status.BAD_LENGTH):
            self.end()
        return data

    def end(self) -> None:
        raise RuntimeError("an error that nobody had thought of")


class CrashOnError(Breaking):
    """Its process ends when it must refuse something."""

    def end(self) -> None:
        os.write(2, b"assertion failed: unreachable\n")
        os._exit(3)


class Hang(Breaking):
    """Is never heard of again when it must refuse something."""

    selection = "MOD/WIRE/ORDER"

    def end(self) -> None:
        while True:
            time.sleep(3600)


class Faint(Breaking):
    """Starts anew when it must refuse something."""

    def end(self) -> None:
        self.inner.reset(ResetKind.COLD, 1, self.now)


class OverClaimer(Claiming):
    """Claims storage that it has not."""

    conclusion = Conclusion.PICS_CONTRADICTED
    causes = ("STORAGE is declared and advertised, and does not work",)
    claimed = frozenset({"STORAGE"})


class UnderClaimer(Claiming):
    """Has bracketing plans and does not say so."""

    conclusion = Conclusion.PICS_CONTRADICTED
    causes = ("PLAN works, and is neither declared nor advertised",)
    hidden = frozenset({"PLAN"})


# ── Channels ─────────────────────────────────────────────────────────────────────────────────────────


class Unbindable(Habit):
    """Closes the connection at once: there is nothing that could be judged."""

    conclusion = Conclusion.TESTER_FAULT
    causes = ("closed",)

    def receive(self, timeout: float | None) -> bytes | None:
        self.inner.receive(timeout)
        return b""


class AlwaysClose(Habit):
    """Closes the connection as soon as a packet comes."""

    causes = ("R-WIRE-021",)

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self._reader = RecordReader()

    def receive(self, timeout: float | None) -> bytes | None:
        data = self.inner.receive(timeout)
        packets = any(r.kind == RecordKind.PACKET for r in self._reader.feed(data or b""))
        return b"" if packets else data


class Noise(Habit):
    """Sends random bytes: there is nothing that could be judged."""

    conclusion = Conclusion.TESTER_FAULT
    causes = ("limit",)

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self._random = Random(1)

    def send(self, data: bytes) -> None:
        self.inner.send(self._random.randbytes(len(data)))


class ByteByByte(Habit):
    """Sends one byte at a time, and of a long record the rest in odd pieces."""

    conclusion = Conclusion.CONFORMANT

    def send(self, data: bytes) -> None:
        for byte in data[:100]:
            self.inner.send(bytes([byte]))
        for at in range(100, len(data), 999):
            self.inner.send(data[at : at + 999])


class Coalescing(Habit):
    """Sends everything at once, when it has nothing else to do."""

    conclusion = Conclusion.CONFORMANT
    plan = Plan.CI

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self._kept: list[bytes] = []

    def send(self, data: bytes) -> None:
        self._kept.append(data)

    def receive(self, timeout: float | None) -> bytes | None:
        if self._kept:
            self.inner.send(b"".join(self._kept))
            self._kept.clear()
        return self.inner.receive(timeout)


class SlowToClose(Habit):
    """Takes its time to close a connection."""

    conclusion = Conclusion.CONFORMANT
    selection = "MOD/BEN/RECORD"

    def close(self) -> None:
        time.sleep(0.5)
        super().close()


# ── Odd and legal ones ───────────────────────────────────────────────────────────────────────────────


class Plain(Specimen):
    """The reference module as it is."""

    conclusion = Conclusion.CONFORMANT
    plan = Plan.CI


_AT_ONCE: Final = frozenset({PacketType.FRAME_FETCH, PacketType.LINK_PM, PacketType.RETRAIN_REQ, PacketType.RESET})


class Leisurely(Specimen):
    """Takes its time to answer, within what it has; none where something must come after the answer: frames after
    FRAME_FETCH, the dark after LINK_PM and RETRAIN_REQ, a restart after RESET."""

    conclusion = Conclusion.CONFORMANT
    plan = Plan.CI
    delay: ClassVar = 10 * MS

    def says(self, d: Departure) -> Iterable[Departure]:
        late = is_response(d.data) and d.data[TYPE] not in _AT_ONCE
        return (structs.replace(d, time=d.time + self.delay) if late else d,)


class JustInTime(Leisurely):
    """Answers everything as late as it may answer PWR_BUDGET: just within the minimum of tSenderResponse."""

    delay = 23 * MS


class FromTomorrow(Altered):
    """Ends whatever may end in TLVs with one of a later version."""

    conclusion = Conclusion.CONFORMANT
    plan = Plan.CI

    def alter(self, data: bytes) -> bytes:
        return of_later(data)


class Restless(Specimen):
    """Wants to run every few milliseconds, for no reason."""

    conclusion = Conclusion.CONFORMANT

    def deadline(self) -> int | None:
        soon = self.now + 7 * MS
        due = self.inner.deadline()
        return soon if due is None else min(due, soon)


# ── The list ─────────────────────────────────────────────────────────────────────────────────────────


class Member(Struct, frozen=True):
    """A specimen, what it is and where, and what a campaign must say of it."""

    name: str
    doc: str
    uri: str
    role: Role
    conclusion: Conclusion
    causes: tuple[str, ...]
    plan: Plan
    selection: str


_HERE: Final = "opalink.conformance.zoo.roster"
_OWN_PROCESS: Final = (CrashOnError, Hang)

Kind = Specimen | Habit | PhoneSpecimen | witnesses_bench.OfRecords
_ELSEWHERE: Final[tuple[type[Kind], ...]] = (
    *witnesses.ALL, *variations.ALL, *flit_specimens.ALL, *flit_senders.ALL, *flit_receivers.ALL, *flit_variations.ALL,
    *sideband_specimens.ALL, *witnesses_session.ALL, *witnesses_timers.ALL, *witnesses_journeys.ALL, reciter.Reciter,
    *witnesses_phone.ALL, *witnesses_phone_duties.ALL, *witnesses_phone_link.ALL, *witnesses_phone_sink.ALL,
    *witnesses_bench.ALL, *witnesses_descriptor.ALL,
    *witnesses_frame.ALL, *witnesses_repair.ALL, *witnesses_lens.ALL, *witnesses_motion.ALL,
    *witnesses_bench_time.ALL, *witnesses_link.ALL, *witnesses_management.ALL, *witnesses_power.ALL,
)  # fmt: skip
SPECIMENS: Final[tuple[type[Kind], ...]] = (
    Breaking, CrashOnError, Hang, Faint, OverClaimer, UnderClaimer, Unbindable, AlwaysClose, Noise, ByteByByte,
    Coalescing, SlowToClose, Plain, Leisurely, JustInTime, FromTomorrow, Restless, *_ELSEWHERE,
)  # fmt: skip


def __getattr__(name: str) -> type[Kind]:
    """The witnesses and the variations answer to this module's name too."""
    found = next((kind for kind in _ELSEWHERE if kind.__name__ == name), None)
    if found is None:
        raise AttributeError(f"the zoo has no {name!r}")
    return found


def members() -> dict[str, Member]:
    """The whole zoo, by name."""
    out: dict[str, Member] = {}
    for kind in SPECIMENS:
        name = kind.__name__
        if name in out:
            raise ValueError(f"Two members of the zoo are called {name}: one would hide the other.")
        own = issubclass(kind, Habit) or kind in _OWN_PROCESS
        uri = f"stdio:{shlex.quote(sys.executable)} -m {_HERE} {name}" if own else f"py:{_HERE}:{name}"
        role = getattr(kind, "side", Role.MODULE)
        out[name] = Member(name, kind.__doc__ or "", uri, role, kind.conclusion, kind.causes, kind.plan, kind.selection)
    return out


def of_role(role: Role) -> dict[str, Member]:
    """Those that are of a role, by name."""
    return {name: member for name, member in members().items() if member.role is role}


def surprise(member: Member, campaign: Campaign) -> str:
    """What is not as expected about a campaign against a member of the zoo; empty if all is. A fault of the tester's
    own is never expected: nothing that an implementation sends may bring one about."""
    if errors := [r for r in campaign.results if r.verdict is Verdict.ERROR]:
        return f"{member.name} brings about a fault of the tester's own: {errors[0].id}: {errors[0].reason}"
    if campaign.verdict is not member.conclusion:
        return f"{member.name} is {campaign.verdict}, and should be {member.conclusion}"
    known = catalogue().by_key
    wanted = [known[c].id if c in known else c for c in member.causes]
    charged = {id_ for r in campaign.results if r.verdict is Verdict.FAIL for id_ in r.charged or r.requirements}
    missed = [w for w in wanted if w not in charged and w not in campaign.reason]
    return f"{member.name} failed for {sorted(charged)} {campaign.reason}, and not for {missed}" if missed else ""


def main(name: str) -> None:
    """Serve a member of the zoo over standard input and output."""
    kind = next((kind for kind in SPECIMENS if kind.__name__ == name), None)
    if kind is None:
        sys.exit(f"The zoo has no {name!r}; it has {', '.join(members())}.")
    streams = StandardStreams()
    if issubclass(kind, Habit):
        serve(Module, kind(streams))
    elif issubclass(kind, witnesses_bench.OfRecords):
        sys.exit(f"{name} is a channel of its own: py:{_HERE}:{name} is how it is met.")
    else:
        serve(kind, streams)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
