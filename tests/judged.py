"""Recordings of sessions that are right, whole and in pieces, and what is said of them.

    python -m tests.judged 2000

judges that many pieces, drawn from their numbers: cut at both ends, one-sided, and with up to 30 % of the packets
missing. It names those that are wrongly judged, and ends with 1 if there are any.

Plan: recordings · pieces.
"""

import io
import random
import sys
from collections.abc import Sequence
from functools import cache
from typing import Final

import click

from opalink.conformance.offline.judge import Judgement, judge
from opalink.protocol.capture.pcapng import LINKTYPE_PACKET, Interface, Writer
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, StateGet
from opalink.spec.form import MS, SECOND, Role

# ── Recordings ───────────────────────────────────────────────────────────────────────────────────────

Row = tuple[int, Role, Lane, bytes]
PLACES: Final = [(lane, role) for lane in Lane for role in (Role.PHONE, Role.MODULE)]
BOTH: Final = (Role.PHONE, Role.MODULE)
_OFTEN: Final = 20 * MS  # between the questions of a phone that asks where the machines are


@cache
def session(profile: str = "four-thirds", *, asking: bool = False) -> tuple[Row, ...]:
    """What our phone and our module say, from the contacts' closing to their opening. If it is `asking`, the phone asks
    again and again where the machines are."""
    rows: list[Row] = []
    phone, module = Phone(), Module(profile)
    meeting = Meeting(phone, module)
    meeting.taps.append(lambda *row: rows.append(row))

    def rest(span: int) -> None:
        end = meeting.now + span
        while asking and meeting.now + _OFTEN < end:
            meeting.run(meeting.now + _OFTEN)
            phone.send(StateGet())
        meeting.run(end)

    meeting.put_on()
    meeting.run_until(lambda: phone.reader.complete, 10 * SECOND)
    if phone.module_has("SENSOR"):
        rest(SECOND // 2 if asking else 0)
        phone.user.open(min(phone.reader.modes, key=lambda m: m.width).mode)
        rest(SECOND // 5 if asking else 0)
        phone.user.still()
        meeting.run_until(lambda: bool(phone.frames.stills), 20 * SECOND)
        phone.user.close()
        rest(SECOND // 5 if asking else 0)
    phone.user.eject()
    rest(SECOND)
    meeting.take_off()
    return tuple(rows)


def recorded(rows: Sequence[Row], *, lost: int = 0) -> io.BytesIO:
    """A recording of them; `lost` packets are said to be missing before the first."""
    stream = io.BytesIO()
    writer = Writer(stream, [Interface.of(x.name.lower(), role, LINKTYPE_PACKET) for x, role in PLACES])
    for i, (time, role, lane, data) in enumerate(rows):
        writer.write(PLACES.index((lane, role)), time, data, lost=0 if i else lost)
    stream.seek(0)
    return stream


def judged(rows: Sequence[Row], *, complete: bool = False, lost: int = 0) -> Judgement:
    return judge(recorded(rows, lost=lost), catalogue(), BOTH, complete=complete)


# ── Pieces ───────────────────────────────────────────────────────────────────────────────────────────


def piece(number: int) -> list[Row]:
    """Part of a session of a module with a camera or of one with a lens alone, put behind another part now and then."""
    draw = random.Random(number)
    rows: list[Row] = []
    for _ in range(draw.choice((1, 1, 1, 2))):
        whole = session(draw.choice(("four-thirds", "lens-adapter")), asking=draw.random() < 0.6)
        start, end = sorted(draw.sample(range(len(whole) + 1), 2))
        gone = draw.choice((0.0, draw.uniform(0.01, 0.3)))
        sides = draw.choice((BOTH, BOTH, BOTH, (Role.PHONE,), (Role.MODULE,)))
        kept = [row for row in whole[start:end] if row[1] in sides and draw.random() >= gone]
        later = rows[-1][0] if rows else 0
        rows += [(time + later, *rest) for time, *rest in kept]
    return rows


def main(count: int) -> int:
    """Judge pieces. How many of them are judged to be wrong."""
    wrong = 0
    for number in range(count):
        findings = judged(piece(number)).findings
        wrong += bool(findings)
        for f in findings:
            click.echo(f"{number}: {f.requirement} frame {f.number}, {f.packet}: expected {f.expected}; saw {f.actual}")
    click.echo(f"{count:,} pieces, {wrong:,} wrongly judged")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1])) else 0)
