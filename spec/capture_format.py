"""The capture format: how OPAL is recorded. An annex of the specification.

A recording is a pcapng file (draft-ietf-opsawg-pcapng), which Wireshark opens. It has one interface for each lane and
each sender, whose name says both; what travels on an interface is told by its link type. The numbers are those that
belong to nobody, so a reader skips what has another one, and counts it.

Time is in nanoseconds from the bench's time 0, in virtual time the beginning of the binding. Wireshark shows that as
the beginning of 1970. The direction of a packet is that which the recording side saw: inbound is what the
implementation sent to it.

What was done and thought is comments: the steps that a bench or a suite took stand at the packet that followed them,
the verdict at the last one, and what is said of the whole recording at the section. What is missing is said too: a
packet of which less was kept than had travelled keeps its original length, and one before which others were lost their
number.

A reader uses what it could read of a file that is cut off, damaged, or put together of several; it names the block and
the byte at which each damage begins. After a damage it goes on at the next block that is whole. An interface that is
described only after it, in the same section, has no certain number, so what refers to one is left out.

Plan: what travels · who sends · options · limits.
"""

from typing import Final

from opalink.spec.form import Record

# ── What travels ─────────────────────────────────────────────────────────────────────────────────────


class LinkType(Record, frozen=True):
    """`name` and `value` are those of the registry of link types."""

    name: str
    value: int
    carries: str
    doc: str


PACKET: Final = LinkType("LINKTYPE_USER0", 147, "packets", "One packet, from its version byte to its CRC.")
FLIT: Final = LinkType(
    "LINKTYPE_USER1", 148, "FLITs", "What the lane itself carries: a FLIT, or on the sideband a sideband record."
)
LINK_TYPES: Final = (PACKET, FLIT)

# ── Who sends ────────────────────────────────────────────────────────────────────────────────────────


class Sender(Record, frozen=True):
    """`inbound` tells whether the recording side receives what it sends."""

    name: str
    inbound: bool
    doc: str


SENDERS: Final = (
    Sender("phone", False, "The phone of a session, which is the side that records it."),
    Sender("module", True, "The module of a session."),
    Sender("tester", False, "The tester of a campaign, in either role."),
    Sender("IUT", True, "The implementation under test, in either role."),
)


def interface_name(lane: str, sender: str) -> str:
    """The name of the interface of a lane and a sender: "laser from the module"."""
    return f"{lane} from the {sender}"


def sender_of(interface: str) -> Sender | None:
    """Who sends on an interface, by its name; None where the name is not one of this format."""
    return next((s for s in SENDERS if interface.endswith(interface_name("", s.name))), None)


# ── Options ──────────────────────────────────────────────────────────────────────────────────────────


class Option(Record, frozen=True):
    """An option of pcapng: its `code` in blocks of the kind `block`."""

    name: str
    block: str
    code: int
    doc: str


COMMENT: Final = Option("opt_comment", "any", 1, "A step, a note or a verdict: one sentence an option.")
APPLICATION: Final = Option("shb_userappl", "section", 4, "What wrote the recording, with its version.")
NAME: Final = Option("if_name", "interface", 2, "Lane and sender.")
DESCRIPTION: Final = Option("if_description", "interface", 3, "What else there is to say of the interface.")
RESOLUTION: Final = Option("if_tsresol", "interface", 9, "Always 9: nanoseconds.")
OFFSET: Final = Option("if_tsoffset", "interface", 14, "Never written; read as seconds to be added.")
FLAGS: Final = Option("epb_flags", "packet", 2, "Direction: 1 is inbound, 2 is outbound.")
LOST: Final = Option("epb_dropcount", "packet", 4, "Packets of this interface lost before it; absent if none.")
DROPPED: Final = Option("isb_ifdrop", "statistics", 5, "Never written; read as packets lost.")
OPTIONS: Final = (COMMENT, APPLICATION, NAME, DESCRIPTION, RESOLUTION, OFFSET, FLAGS, LOST, DROPPED)

INBOUND, OUTBOUND = 1, 2  # of FLAGS
NANOSECONDS: Final = 9  # of RESOLUTION

# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────

BLOCK_MAX: Final = 1 << 24  # bytes; a block that says it has more is taken for damage, as Wireshark does
INTERFACES_MAX: Final = 1024  # of a section
COMMENT_MAX: Final = 16_000  # characters: an option holds 65,535 bytes, and a character is at most four
COMMENTS_MAX: Final = 1 << 20  # bytes of comments that are written to one block
