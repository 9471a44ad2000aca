"""The C codec beside the Python codec on millions of packets: `python -m tests.differential.c --inputs 10000000`.

Both read the same bytes: they accept and find the same values, or refuse with the same class, path and offset; what
C accepts, it must encode to the same bytes again. C runs under the address and undefined-behaviour sanitizers.
construct has the third vote on a sample. Inputs come in turn for every message and every class of error that its
layout can have, at least 40 % of them legal. Exit 1 on a difference, or where something was tried too rarely.

Plan: inputs · outcomes · counting · the run.
"""

import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import click
from fastcrc import crc32

from opalink.protocol.errors import DecodeError, Fault
from opalink.protocol.generate.c.envelope import Message, messages
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import illegal
from opalink.protocol.ir.write import header_of, write
from tests.differential import mutations, ours
from tests.differential.agreement import FrameCase, Module
from tests.differential.c_driver import Driver, Request, Said, build, real, refused
from tests.differential.c_reflection import Target, flats, targets
from tests.differential.dice import Dice
from tests.differential.trial import changed

BATCH = 4000
LEGAL = 16  # legal payloads of a message at a time
TURNS = 60  # turns after which they are replaced
VOTES = 2000  # inputs to one that construct judges too
ACCEPTED = 0.4
RARE = 10_000  # of so many inputs, each message has each of its errors once at least

_HEADER = struct.Struct("<BBBBHHQ")
_CRC = struct.Struct("<I")

# ── Inputs ───────────────────────────────────────────────────────────────────────────────────────────


class Source:
    """Packets of one message, legal and not."""

    def __init__(self, c: ir.Catalogue, message: Message, seed: int) -> None:
        self.c, self.message = c, message
        self.layout = c.layout[message.layout]
        self.dice = Dice.seeded(seed)
        self.random = Random(seed)
        header = header_of(c, message.packet, message.form)
        self.type, self.vc = header["type"], header["vc"]
        self.rsp, self.status, self.txn = header["rsp"], header["status"], header["txn"]
        room = 0xFFFF - 20
        self.probes: dict[Fault, list[bytes]] = {}
        for probe in illegal(c, self.layout):
            data = write(c, self.layout, probe.value)
            if probe.fault and len(data) <= room:
                self.probes.setdefault(Fault(probe.fault), []).append(data)
        self.turns = 0
        self.legal: list[bytes] = []
        self.wrong: list[bytes] = []

    def faults(self) -> set[Fault]:
        """What can be wrong with such a packet."""
        return {*self.probes, Fault.CRC}

    def packet(self, payload: bytes) -> bytes:
        """A payload in a packet whose header says what it may."""
        bits = self.random.getrandbits
        txn = bits(16) | 1 if self.txn else 0
        flags = 0x10 | self.rsp << 3 | bits(2) & 1
        data = (
            _HEADER.pack(flags, self.type, self.vc << 4 | bits(4), self.status, len(payload), txn, bits(64)) + payload
        )
        return data + _CRC.pack(crc32.iscsi(data))

    def turn(self) -> Iterator[bytes]:
        """Some legal packets, some with a byte changed, one for each class of error, some with damage."""
        random, dice = self.random, self.dice
        if self.turns % TURNS == 0:
            values = [mutations.legal(dice, self.c, self.layout) for _ in range(LEGAL)]
            self.legal = [write(self.c, self.layout, x) for x in values]
            self.wrong = [
                write(self.c, self.layout, changed(dice, self.c, self.layout, x, change))
                for x in values[: LEGAL // 2]
                for change in (mutations.illegal_in, mutations.lie_in)
            ]
        self.turns += 1
        for _ in range(6):
            yield self.packet(random.choice(self.legal))
        for _ in range(2):
            payload = bytearray(random.choice(self.legal))
            if payload:
                payload[random.randrange(len(payload))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.getrandbits(8)))
            yield self.packet(bytes(payload))
        yield self.packet(random.choice(self.wrong))
        for found in self.probes.values():
            yield self.packet(random.choice(found))
        good = random.choice(self.legal)
        at = random.randrange(len(good) + 1)
        yield self.packet(random.choice((good[:at], good + bytes(at % 5 + 1), good[:at] + good[at + 1 :])))
        whole = self.packet(good)
        at = random.randrange(len(whole))
        yield whole[:at] + bytes([whole[at] ^ 1 << random.getrandbits(3) % 8]) + whole[at + 1 :]
        yield whole[:-1] + bytes([whole[-1] ^ 1])
        yield mutations.damaged(dice, whole, good)


def inputs(c: ir.Catalogue, seed: int) -> Iterator[tuple[str, bytes]]:
    """Packets without end, each with the name of the message from which it was made."""
    sources = [Source(c, m, seed + i) for i, m in enumerate(messages(c))]
    while True:
        for s in sources:
            name = f"{s.message.packet.name}.{s.message.form}"
            for data in s.turn():
                yield name, data


def applicable(c: ir.Catalogue) -> set[tuple[str, Fault]]:
    """Every message with every class of error that it can have."""
    return {(f"{m.packet.name}.{m.form}", f) for m in messages(c) for f in Source(c, m, 0).faults()}


# ── Outcomes ─────────────────────────────────────────────────────────────────────────────────────────


class Expected:
    """The outcome that the driver has to give of a packet, by the Python codec."""

    def __init__(self, c: ir.Catalogue, module: Module) -> None:
        flat = flats(c)
        self.decode = module["decode_Packet"]
        self.of_body: dict[type, Callable[[Any], bytes]] = {
            module[x.name]: flat[x.name] for x in c.layouts if x.name in module
        }
        self.of_body[bytes] = lambda data: _CRC.pack(len(data)) + data
        self.of_header = flat["Packet"]
        self.succeeded = {s.value for s in c.statuses if s.success}

    def __call__(self, data: bytes, *, crc: bool = True) -> bytes | DecodeError:
        try:
            v = self.decode(data, crc=crc)
        except DecodeError as error:
            return error
        place = (1 if v.status in self.succeeded else 2) if v.rsp else (0 if v.txn else 3)
        head = self.of_header(v) + (v.type << 2 | place).to_bytes(2, "little")
        return b"\0" + head + self.of_body[type(v.body)](v.body)


# ── Counting ─────────────────────────────────────────────────────────────────────────────────────────


class Tally:
    """What was tried, and what came of it."""

    def __init__(self, c: ir.Catalogue) -> None:
        self.wanted = applicable(c)
        self.refused: Counter[tuple[str, Fault]] = Counter()
        self.inputs = self.accepted = self.votes = self.differences = 0

    def rarest(self) -> tuple[int, str]:
        """The message and class tried least, and how often."""
        n, name, fault = min((self.refused[key], key[0], key[1].value) for key in self.wanted)
        return n, f"{name} {fault}"

    def enough(self) -> bool:
        return self.accepted >= ACCEPTED * self.inputs and self.rarest()[0] >= self.inputs // RARE

    def __str__(self) -> str:
        n, rarest = self.rarest()
        return (
            f"{self.inputs:,} inputs, {100 * self.accepted / max(1, self.inputs):.1f} % accepted, "
            f"{len(self.wanted)} errors of messages, the rarest ({rarest}) {n:,} times; construct asked "
            f"{self.votes:,} times; {self.differences} differences"
        )


def compare(
    driver: Driver, c: ir.Catalogue, count: int, seed: int, tally: Tally, said: Callable[[Tally], None] = lambda _: None
) -> Iterator[str]:
    """Every difference; `tally` is kept up to date, and `said` after every batch."""
    expected = Expected(c, ours.module())
    with_crc, without = (targets(c).index(Target(what, "Packet")) for what in ("envelope", "bare"))
    stream = inputs(c, seed)
    while tally.inputs < count:
        batch = list(islice(stream, min(BATCH, count - tally.inputs)))
        # Every sixteenth is read without its CRC.
        requests: list[Request] = [(with_crc if i % 16 else without, data) for i, (_, data) in enumerate(batch)]
        driver.send(requests)
        said(tally)
        wanted = [expected(data, crc=target == with_crc) for target, data in requests]
        outcomes = driver.receive()
        assert len(outcomes) == len(batch)
        for (name, data), want, found in zip(batch, wanted, outcomes, strict=True):
            tally.inputs += 1
            if isinstance(want, DecodeError):
                head, dot, _ = want.path.partition(".")
                where = f"{head}.{want.path[len(head) + 1 :].partition('.')[0]}" if dot else name
                tally.refused[where, want.fault] += 1
                outcome = refused(want.fault, want.path, want.offset)
            else:
                tally.accepted += 1
                outcome = want
            if outcome != found:
                tally.differences += 1
                yield f"{name} {data.hex()}: Python {Said(outcome)}, C {Said(found)}"
            if tally.inputs % VOTES == 0:
                tally.votes += 1
                for vote in FrameCase("Packet", ours.read_packet, data, True).differences(ours.module()):
                    tally.differences += 1
                    yield f"{name} {data.hex()}: {vote}"


# ── The run ──────────────────────────────────────────────────────────────────────────────────────────


@click.command(help=__doc__)
@click.option("--inputs", "count", default=1_000_000, show_default=True, help="How many.")
@click.option("--seed", default=0, show_default=True, help="Of the inputs.")
@click.option("--shown", default=20, show_default=True, help="Stop after so many differences.")
def main(count: int, seed: int, shown: int) -> None:
    c = catalogue()
    tally = Tally(c)
    with tempfile.TemporaryDirectory() as folder:
        executable = build(real(c), Path(folder))
        begun = last = time.monotonic()

        def said(so_far: Tally) -> None:
            nonlocal last
            if time.monotonic() - last > 60:
                last = time.monotonic()
                click.echo(f"{last - begun:.0f} s: {so_far}", err=True)

        with Driver(executable) as driver:
            for difference in compare(driver, c, count, seed, tally, said):
                click.echo(difference[:2000])
                if tally.differences >= shown:
                    break
        click.echo(f"{time.monotonic() - begun:.0f} s: {tally}")
    sys.exit(1 if tally.differences or not tally.enough() else 0)


if __name__ == "__main__":
    main()
