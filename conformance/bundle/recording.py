"""An exchange as a recording: its packets as pcapng, with what was noted meanwhile as comments.

    write(stream, steps, about)

What the bench and the suite did stands at the packet that followed, what came after the last packet at that one. Where
there is no packet at all it stands in the comments of the file, behind what is said `about` the whole.

Plan: notes and packets · writing.
"""

from collections.abc import Iterable, Sequence
from typing import BinaryIO, Final

import opalink
from opalink.conformance.bundle.report import lane_name
from opalink.conformance.bundle.results import Actor, Step
from opalink.protocol.capture.pcapng import LINKTYPE_PACKET, Interface, Writer
from opalink.protocol.packets.enums import Lane

# ── Notes and packets ────────────────────────────────────────────────────────────────────────────────

SENDERS: Final = {Actor.TESTER: "tester", Actor.IUT: "IUT"}  # as the capture format calls them


def annotated(steps: Iterable[Step], then: str = "") -> tuple[list[tuple[Step, list[str]]], list[str]]:
    """Every packet with its comments, and what no packet carries. `then` begins what came after the last one."""
    out: list[tuple[Step, list[str]]] = []
    notes: list[str] = []
    for step in steps:
        if step.data and step.actor in SENDERS:
            own = [step.note] if step.note else []
            out.append((step, notes + own))
            notes = []
        else:
            notes.append(f"{step.time} ns, {step.actor}: {step.note or 'an empty packet'}")
    if not out:
        return out, notes
    out[-1][1].extend(then + note for note in notes)
    return out, []


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────────


def write(
    stream: BinaryIO, steps: Sequence[Step], about: Iterable[str], link_type: int = LINKTYPE_PACKET, then: str = ""
) -> None:
    """Write an exchange. There is an interface for each direction of each lane, named as the capture format has it."""
    lanes = sorted({s.lane for s in steps if s.data} | {Lane.SIDEBAND, Lane.LASER})
    places = [(lane, actor) for lane in lanes for actor in SENDERS]
    interfaces = [Interface.of(lane_name(lane), SENDERS[actor], link_type) for lane, actor in places]
    packets, loose = annotated(steps, then)
    writer = Writer(stream, interfaces, [*about, *loose], f"opalink {opalink.__version__}")
    for step, notes in packets:
        writer.write(places.index((step.lane, step.actor)), step.time, step.data, notes)
