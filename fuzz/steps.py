"""The steps of a case: what a fuzzer can do to an implementation, one thing at a time.

Plan: what they name · steps.
"""

from typing import Final

from msgspec import Struct

from opalink.conformance.tester.matrix import STATES
from opalink.protocol.ir.write import Plain
from opalink.protocol.packets import Lane
from opalink.spec.form import Form

# ── What they name ───────────────────────────────────────────────────────────────────────────────────

STEPS: Final = 256  # of one case
LONGEST: Final = 600 * 10**9  # ns of one delay
PLACES: Final = (*STATES, "TEST")  # where a preamble can bring a module
RESOURCES: Final = ("$session", "$phone_nonce", "$module_nonce")
LANES: Final = {"sideband": Lane.SIDEBAND, "laser": Lane.LASER}
OPERATIONS: Final = {
    "attach": ("",),
    "detach": ("",),
    "lane_down": tuple(LANES),
    "lane_up": tuple(LANES),
    "reset": ("warm", "cold"),
}
HEADER: Final = (
    *("major", "rsp", "spare2", "more", "spare0", "type", "vc", "instance", "status", "length", "txn", "t_ns", "crc"),
)


class CaseError(ValueError):
    """What is no case, or no packet of one. It says what is wrong, and where."""


# ── Steps ────────────────────────────────────────────────────────────────────────────────────────────


class Reach(Struct, frozen=True, tag="reach"):
    """The suite's own preamble to a state, from open contacts or within a session that is to be left."""

    state: str


class Send(Struct, frozen=True, tag="send"):
    """A packet. `value` are the fields of its payload, or `payload` is the payload itself; `header` overrides what
    type and form say. Without a lane, it takes the laser where there is light and its type travels there. `flip` is the
    bit that is wrong on the way, `split` the byte before which a second record begins; -1 is none."""

    packet: str
    form: Form
    value: Plain = {}
    payload: bytes | None = None
    header: tuple[tuple[str, int], ...] = ()
    lane: str = ""
    flip: int = -1
    split: int = -1


class Raw(Struct, frozen=True, tag="raw"):
    """Bytes on a lane, as they are."""

    lane: str
    data: bytes


class Again(Struct, frozen=True, tag="again"):
    """The bytes of an earlier message once more: 1 is the last one."""

    back: int = 1


class Delay(Struct, frozen=True, tag="delay"):
    """Time passes, in nanoseconds."""

    time: int


class Operate(Struct, frozen=True, tag="operate"):
    """What the upper tester does: attach, detach, lane_down, lane_up, reset."""

    operation: str
    value: str = ""


Step = Reach | Send | Raw | Again | Delay | Operate
