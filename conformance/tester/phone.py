"""What the tester does as a phone while it tests: answers what a module asks of a phone.

A test turns single answers off (`mute`) or puts its own in their place (`answers`).

Plan: the phone · its answers, by packet type.
"""

from collections.abc import Callable
from typing import Any

from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.line import Line
from opalink.protocol import packets as p
from opalink.protocol.codec import Status

Answer = Callable[[Heard], None]


class Phone:
    """The tester's phone, as far as it acts by itself. `offers` are those of its last PWR_SOURCE_CAPS; `image` is the
    firmware that it serves."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.mute: set[type] = set()
        self.answers: dict[type, Answer] = {}
        self.offers: tuple[p.Offer, ...] = ()
        self.contracts = 0
        self.image = b""

    def hear(self, heard: Heard) -> None:
        """Answer a request."""
        packet = heard.packet
        if packet is None or packet.rsp or not packet.txn or heard.error is not None:
            return
        kind = type(packet.body)
        if kind in self.answers:
            self.answers[kind](heard)
        elif kind not in self.mute:
            _ANSWERS.get(kind, _unsupported)(self, heard)

    def reply(self, heard: Heard, body: Any, status: Status = Status.OK) -> None:
        self._line.reply(heard, body, status)

    def supply(self, heard: Heard) -> None:
        """Accept a PWR_REQUEST for an offer that was made, and have the voltage there at once."""
        asked = heard.body
        if asked.object >= len(self.offers):
            self.reply(heard, p.PwrRequestError(reason=p.RejectReason.NO_OFFER), Status.PWR_REJECT)
            return
        offer = self.offers[asked.object]
        self.contracts = (
            self.contracts % 0xFFFF + 1
        )  # as the field counts: who asks without end is not the tester's fault
        self.reply(heard, p.PwrRequestResponse())
        self._line.tell(
            p.PwrReady(object=asked.object, voltage=offer.max, limit=asked.max, contract=self.contracts),
            lane=heard.lane,
        )

    @property
    def now(self) -> int:
        return self._line.now


# ── Its answers ──────────────────────────────────────────────────────────────────────────────────────


def _unsupported(phone: Phone, heard: Heard) -> None:
    phone.reply(heard, p.Refusal(), Status.NOT_SUPPORTED)


def _keepalive(phone: Phone, heard: Heard) -> None:
    phone.reply(heard, p.KeepaliveResponse(seq=heard.body.seq, uptime=phone.now))


def _time(phone: Phone, heard: Heard) -> None:
    phone.reply(heard, p.TimeSyncResponse(t1=heard.body.t1, t2=heard.time, t3=phone.now))


def _reserve(phone: Phone, heard: Heard) -> None:
    phone.reply(heard, p.PwrReserveResponse(power=heard.body.power, opens=phone.now, window=heard.body.time))


def _pull(phone: Phone, heard: Heard) -> None:
    start, length = heard.body.offset, heard.body.length
    data = phone.image[start : start + length]
    if not data:
        phone.reply(heard, p.Refusal(), Status.RANGE_LIMIT)
    else:
        phone.reply(heard, p.FwPullResponse(offset=start, data=data))


def _owner(phone: Phone, heard: Heard) -> None:
    asked = heard.body
    phone.reply(heard, p.ControlOwnerResponse(owner=asked.owner, policy=asked.policy, hold=asked.hold))


_ANSWERS: dict[type, Callable[[Phone, Heard], None]] = {
    p.TrainReq: lambda phone, heard: phone.reply(heard, p.TrainReqResponse()),
    p.Keepalive: _keepalive,
    p.TimeSync: _time,
    p.PwrRequest: Phone.supply,
    p.PwrReserve: _reserve,
    p.FwPull: _pull,
    p.ControlOwner: _owner,
    p.CountersGet: lambda phone, heard: phone.reply(heard, p.CountersGetResponse()),
    p.LaserSafety: lambda phone, heard: phone.reply(heard, p.LaserSafetyResponse()),
    p.LinkPm: lambda phone, heard: phone.reply(heard, p.LinkPmResponse()),
    p.RetrainReq: lambda phone, heard: phone.reply(heard, p.RetrainReqResponse()),
    p.Cancel: lambda phone, heard: phone.reply(heard, p.Refusal(), Status.LATE),
    p.Vendor: lambda phone, heard: phone.reply(heard, p.Refusal(), Status.NO_SUCH_ID),
    p.PwrRoleSwap: lambda phone, heard: phone.reply(heard, p.Refusal(), Status.PWR_REJECT),
}
