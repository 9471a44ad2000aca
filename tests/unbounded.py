"""Modules that work until they are asked for their states, and then have a bad habit; and what it costs to judge them.

    python -m tests.unbounded HABIT          the module, over standard input and output
    python -m tests.unbounded judge HABIT    a few tests of it, in this process; prints what came of it as JSON

Plan: habits of a module · habits of its connection · judging.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from resource import RUSAGE_SELF, getrusage
from typing import Any, Final

import click

from opalink.conformance import runner
from opalink.conformance.campaign import certify
from opalink.conformance.runner import Options
from opalink.conformance.tester import line
from opalink.protocol import codec
from opalink.protocol.codec import Record, encode_record
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.module import Module
from opalink.protocol.packets import FrameBlock, Keepalive, Lane, PacketType, RecordKind
from opalink.protocol.packets.bodies import Log, encode_Log
from opalink.protocol.transport import bench
from opalink.protocol.transport.channel import StandardStreams
from opalink.protocol.transport.host import serve
from opalink.spec.form import MS

SOME: Final = "MOD/MGT/STATE_GET and (CA- or BV-)"
WORDS: Final = encode_record(Record(RecordKind.LOG, payload=encode_Log(Log(text=b"And another thing: " * 50))))

# ── Habits of a module ───────────────────────────────────────────────────────────────────────────────


class Turning(Module):
    """Works until it is asked for its states."""

    turned = False

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        self.turned |= data[1:2] == bytes((PacketType.STATE_GET,))
        super().receive(lane, data, now)


class Flooding(Turning):
    """Sends so many packets more every millisecond."""

    size, many = 0, 20_000

    def deadline(self) -> int | None:
        return self.clock.now + MS if self.turned else super().deadline()

    def outbox(self) -> Sequence[Any]:
        out = list(super().outbox())
        if self.turned:
            body = FrameBlock(data=bytes(self.size)) if self.size else Keepalive()
            out += [Departure(self.clock.now, Lane.SIDEBAND, codec.encode(codec.event(body)))] * self.many
        return out


class Streaming(Flooding):
    size, many = 1000, 6000


class Restless(Turning):
    """Always wants to run a nanosecond later."""

    def deadline(self) -> int | None:
        return self.clock.now + 1 if self.turned else super().deadline()


class Leaving(Turning):
    """Is gone at random."""

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        super().receive(lane, data, now)
        if self.turned and data[-1] & 1:  # of its CRC
            os._exit(7)


# ── Habits of its connection ─────────────────────────────────────────────────────────────────────────


class Stalling(StandardStreams):
    """Ends in the middle of a record, and says nothing more."""

    def send(self, data: bytes) -> None:
        if not _ENDPOINTS[-1].turned:
            super().send(data)
        else:
            super().send(data[: len(data) // 2])
            time.sleep(3600)


class Huge(StandardStreams):
    """Announces 4 GiB."""

    def send(self, data: bytes) -> None:
        super().send(b"\xff" * 4 + bytes(1 << 16) if _ENDPOINTS[-1].turned else data)


class Wordy(StandardStreams):
    """Has megabytes to say with every answer."""

    def send(self, data: bytes) -> None:
        super().send(WORDS * 300 + data if _ENDPOINTS[-1].turned else data)


_ENDPOINTS: Final[list[Turning]] = []


def _made(module: type[Turning]) -> Turning:
    _ENDPOINTS.append(module())
    return _ENDPOINTS[-1]


HABITS: Final[dict[str, tuple[type[Turning], type[StandardStreams]]]] = {
    "flooding": (Flooding, StandardStreams),
    "streaming": (Streaming, StandardStreams),
    "restless": (Restless, StandardStreams),
    "leaving": (Leaving, StandardStreams),
    "stalling": (Turning, Stalling),
    "huge": (Turning, Huge),
    "wordy": (Turning, Wordy),
}

# ── Judging ──────────────────────────────────────────────────────────────────────────────────────────


def judge(habit: str) -> dict[str, Any]:
    """How a campaign with it ends, and how much memory that took, in bytes. Less time is allowed than usual; what
    bounds memory is as it is."""
    runner.GIVE_UP, line.WORK, bench.STEPS = 1, (3 if habit == "streaming" else 1) << 30, 20_000
    before = getrusage(RUSAGE_SELF).ru_maxrss
    made = certify(f"stdio:{sys.executable} -m tests.unbounded {habit}", Options(selection=SOME, patience=3.0))
    return {
        "verdict": made.verdict,
        "ends": sorted({f"{r.verdict}: {r.reason or r.actual}" for r in made.results}),
        "grown": (getrusage(RUSAGE_SELF).ru_maxrss - before) * 1024,
    }


if __name__ == "__main__":
    if sys.argv[1] == "judge":
        click.echo(json.dumps(judge(sys.argv[2])))
    else:
        module, channel = HABITS[sys.argv[1]]
        serve(lambda: _made(module), channel())
