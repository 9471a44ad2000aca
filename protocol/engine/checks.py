"""The checks that a packet must pass, in the order of R-WIRE-025, from its type on.

CRC, version and repetition come before, in the endpoint. The state's check ends with the machine that knows the type:
one without a row for it, in the state in which it is, refuses whatever the payload holds.

Plan: the checks · headers.
"""

from collections.abc import Mapping
from typing import Final

from opalink.protocol.codec import DecodeError, Fault, Packet, Status
from opalink.protocol.engine.dispatch import NOWHERE, Kind, Owner, legality
from opalink.protocol.engine.machine import Run
from opalink.protocol.engine.values import Unknowns
from opalink.protocol.packets import Lane
from opalink.protocol.runtime import Buffer
from opalink.spec.form import Form, Role

_PAYLOAD_AT: Final = 16

Verdict = tuple[Status, int]
_PASSED: Final = Status.OK, NOWHERE


class Checks:
    """The judge of one endpoint. `gate` is the machine whose states say what is legal."""

    def __init__(self, end: Owner, gate: Run, unknowns: Unknowns) -> None:
        self._end, self._gate, self._unknowns = end, gate, unknowns
        self._legal: Mapping[str, frozenset[int]] = legality(end.catalogue, gate.machine)

    def legal(self, code: int) -> bool:
        """Whether a packet type is legal in the present state."""
        return code in self._legal[self._gate.state]

    def legal_in(self, state: str, code: int) -> bool:
        return code in self._legal[state]

    def judge(self, kind: Kind | None, form: Form, lane: Lane, packet: Packet, error: DecodeError | None) -> Verdict:
        """The status of the first check that a request or an event fails, and where in the payload; OK if none."""
        if (
            kind is None
            or packet.more
            or form not in kind.packet.forms
            or not self._inbound(kind)
            or not kind.supported
        ):
            return Status.NOT_SUPPORTED, NOWHERE
        if packet.vc not in kind.vcs:
            return Status.BAD_VALUE, NOWHERE
        if packet.instance:
            return Status.NO_SUCH_ID, NOWHERE
        if lane not in kind.lanes or not self.legal(kind.code):
            return Status.BAD_STATE, NOWHERE
        if form is Form.REQUEST:
            for run, event in kind.runs.get(form, ()):
                if run.state not in run.rows(event):
                    return Status.BAD_STATE, NOWHERE
        if error is not None:
            return of_fault(error), error.offset - _PAYLOAD_AT
        unknown = kind.unknown[form]
        if unknown is not None and unknown(packet.body):
            at = self._unknowns.offset(kind.packet.forms[form], packet.body)
            return Status.BAD_VALUE, NOWHERE if at is None else at
        return _PASSED

    def _inbound(self, kind: Kind) -> bool:
        """Whether the peer may send requests and events of this type."""
        match kind.packet.sender:
            case Role.SOURCE:
                return not self._end.source
            case Role.SINK:
                return self._end.source
            case sender:
                return sender is not self._end.role


def of_fault(error: DecodeError) -> Status:
    """The status of a payload that does not decode."""
    return Status.BAD_LENGTH if error.fault in (Fault.SHORT, Fault.LONG) else Status.BAD_VALUE


# ── Headers ──────────────────────────────────────────────────────────────────────────────────────────


def other_version(error: DecodeError) -> bool:
    """Whether nothing is wrong but the major version, which is checked after the CRC."""
    return error.packet is None and error.fault is Fault.CONST and error.path == "major"


def header(data: Buffer) -> Packet:
    """The header alone of a packet of another major version."""
    return Packet(
        rsp=data[0] >> 3 & 1,
        type=data[1],
        vc=data[2] >> 4,
        instance=data[2] & 15,
        status=data[3],
        txn=int.from_bytes(data[6:8], "little"),
        t_ns=int.from_bytes(data[8:16], "little"),
    )
