"""A phone of a few lines, for tests of a module in this process: it sends what it is told and answers what it must.

    phone = Phone("four-thirds")
    phone.open()                        # attach, BEACON both ways, HELLO
    phone.ask(ModeTable()).body.modes

Plan: what it keeps · time and packets · what it answers by itself · the way into a session.
"""

from typing import Any

from opalink.protocol import codec
from opalink.protocol.codec import Packet, PacketType, Status
from opalink.protocol.engine.module import Module
from opalink.protocol.packets import (
    AttachOperation,
    Beacon,
    Condition,
    ConditionOperation,
    DeviceRole,
    Hello,
    HelloResponse,
    KeepaliveResponse,
    Lane,
    Offer,
    OfferKind,
    OperationTag,
    Outcome,
    PwrReady,
    PwrRequestResponse,
    PwrSourceCaps,
    ResetKind,
    TimeSyncResponse,
    TrustLevel,
    TrustPolicy,
)
from opalink.protocol.runtime import Tlv

MS = 1_000_000


class Phone:
    """`heard` is every packet of the module with its time and lane; `obliging` says that it answers by itself."""

    def __init__(self, profile: str = "four-thirds", seed: int = 7) -> None:
        self.module = Module(profile)
        self.module.reset(ResetKind.COLD, seed, 0)
        self.now = 0
        self.txn = 0
        self.nonce = 0xB0B
        self.obliging = True
        self.heard: list[tuple[int, Lane, Packet]] = []
        self.main = Lane.LASER if self.module.has("LASER") else Lane.SIDEBAND
        self.session: HelloResponse | None = None
        self.phone_nonce = 0

    # ── Time and packets ──

    def run(self, ms: float) -> None:
        """Let time pass, timer by timer."""
        until = self.now + int(ms * MS)
        while (due := self.module.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.module.advance(self.now)
            self._listen()
        self.now = until
        self.module.advance(until)
        self._listen()

    def deliver(self, packet: Packet | bytes, lane: Lane | None = None) -> list[Packet]:
        """Send a packet; returns what comes back at once."""
        before = len(self.heard)
        data = packet if isinstance(packet, bytes) else codec.encode(packet)
        self.module.receive(lane or self.main, data, self.now)
        self._listen()
        return [p for _, _, p in self.heard[before:]]

    def ask(self, body: Any, lane: Lane | None = None, *, within: float = 0, **header: int) -> Packet:
        """Send a request and take its response, within so many milliseconds."""
        self.txn += 1
        txn, before = self.txn, len(self.heard)
        self.deliver(codec.request(body, txn, **header), lane)
        if within:
            self.run(within)
        found = [p for _, _, p in self.heard[before:] if p.rsp and p.txn == txn]
        assert len(found) == 1, f"{len(found)} responses to {body}"
        return found[0]

    def status(self, body: Any, lane: Lane | None = None, **more: Any) -> Status | int:
        return self.ask(body, lane, **more).status

    def tell(self, body: Any, lane: Lane | None = None) -> list[Packet]:
        return self.deliver(codec.event(body), lane)

    def since(self, start: int, kind: PacketType) -> list[Packet]:
        """What has come of a type, from a length of `heard` on."""
        return [p for _, _, p in self.heard[start:] if p.type is kind]

    def last(self, kind: PacketType) -> Packet:
        return self.since(0, kind)[-1]

    def operate(self, tag: OperationTag, value: Any) -> Outcome:
        outcome, _ = self.module.operate(Tlv(tag, value), self.now)
        self._listen()
        return outcome

    def condition(self, status: Status, present: int = 1) -> Outcome:
        return self.operate(OperationTag.CONDITION, ConditionOperation(Condition(int(status)), present))

    def state(self, machine: str = "ATTACH") -> str:
        return self.module.runs[machine].state

    # ── What it answers by itself ──

    def _listen(self) -> None:
        for departure in self.module.outbox():
            packet = codec.decode(departure.data)
            self.heard.append((departure.time, departure.lane, packet))
            if packet.txn and not packet.rsp and self.obliging:
                self.oblige(packet, departure.lane)

    def oblige(self, packet: Packet, lane: Lane) -> None:
        body = packet.body
        if packet.type is PacketType.TIME_SYNC:
            self.deliver(codec.response(packet, TimeSyncResponse(body.t1, self.now, self.now)), lane)
        elif packet.type is PacketType.KEEPALIVE:
            self.deliver(codec.response(packet, KeepaliveResponse(body.seq)), lane)
        elif packet.type is PacketType.PWR_REQUEST:
            self.deliver(codec.response(packet, PwrRequestResponse()), lane)
            self.tell(PwrReady(object=body.object, voltage=5000, limit=body.max, contract=1), lane)

    # ── The way into a session ──

    def attach(self, quality: int = 100) -> None:
        """Contacts, boot, the module's BEACON."""
        assert self.operate(OperationTag.ATTACH, AttachOperation(quality)) is Outcome.DONE
        self.run(101)

    def meet(self) -> None:
        """Attach, and answer with a BEACON."""
        self.attach()
        self.tell(Beacon(role=DeviceRole.PHONE, nonce=self.nonce), Lane.SIDEBAND)

    def greet(self, *, resume: bool = False, lane: Lane | None = None, **fields: int) -> Packet:
        """HELLO; resuming, with the nonces of the last."""
        if resume:
            assert self.session is not None
            fields |= {
                "resume_session": self.session.session,
                "last_phone_nonce": self.phone_nonce,
                "last_module_nonce": self.session.module_nonce,
            }
        nonce = self.phone_nonce + 1
        answer = self.ask(Hello(phone_nonce=nonce, **fields), lane)
        if answer.status is Status.OK:
            self.session, self.phone_nonce = answer.body, nonce
        return answer

    def open(self) -> None:
        """Everything up to a session."""
        self.meet()
        assert self.greet().status is Status.OK

    def offers(self, generation: int = 1, current: int = 1200) -> PwrSourceCaps:
        offer = Offer(OfferKind.FIXED, 0, 0, 5000, 5000, current, current, 0)
        return PwrSourceCaps(generation=generation, total=10_000, offers=(offer,))

    def supply(self, generation: int = 1) -> None:
        """Everything up to a contract."""
        self.tell(self.offers(generation))

    def trust(self, level: TrustLevel = TrustLevel.GENUINE, max_power: int = 10_000, expires: int = 0) -> None:
        """What the phone concludes, where the module can prove itself."""
        if self.module.has("SECURITY"):
            self.tell(TrustPolicy(level=level, max_power=max_power, granted=(1 << 64) - 1, expires=expires))

    def ready(self) -> None:
        """A session, trust, a contract, synchronised time."""
        self.open()
        self.trust()
        self.supply()
        self.run(100)
