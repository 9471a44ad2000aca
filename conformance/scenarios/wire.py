"""Scenarios of the wire: the order of checks, transactions, channels, stack positions, and rubbish.

Plan: order of checks · transactions · rubbish.
"""

from opalink.conformance.purposes import Damage, Exchange, Oracle, Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.exchanges import answered, silence
from opalink.conformance.tester.preambles import greet, light, ready
from opalink.conformance.tester.session import Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import Lane, PacketType
from opalink.spec.limits import OUTSTANDING_MIN

_UNKNOWN = 0xEE


def _ask(s: Session, code: int, payload: bytes, **header: int) -> int:
    """The status that answers a request with these oddities."""
    x = Exchange(code, payload, Oracle.REFUSED, header=tuple(header.items()))
    asked, _ = s.stimulate(x)
    return answered(s, asked).status


def _check(s: Session, found: int, wanted: Status, over: str) -> None:
    s.expect(found == wanted, f"status {wanted.name}, which comes before {over}", f"status {found!r}")
    s.states()  # positive control: not everything is refused


# ── Order of checks ──────────────────────────────────────────────────────────────────────────────────


@scenario(
    "WIRE/ORDER/BI-crc_version", "R-WIRE-025", "R-WIRE-001",
    given="a module in READY", when="it receives a request of another major version with a wrong CRC",
    then="it answers nothing",
)  # fmt: skip
def crc_before_version(s: Session) -> None:
    ready(s)
    x = Exchange(PacketType.STATE_GET, b"", Oracle.SILENT, header=(("major", 2),), damage=Damage.CRC)
    s.stimulate(x)
    silence(s)
    s.alive()


@scenario(
    "WIRE/ORDER/BI-version_type", "R-WIRE-025", "R-WIRE-007",
    given="a module in READY", when="it receives a request of an unknown type and another major version",
    then="it answers BAD_VERSION",
)  # fmt: skip
def version_before_type(s: Session) -> None:
    ready(s)
    _check(s, _ask(s, _UNKNOWN, b"", major=2), Status.BAD_VERSION, "the type")


@scenario(
    "WIRE/ORDER/BI-type_channel", "R-WIRE-025", "R-WIRE-005",
    given="a module in READY", when="it receives a request of an unknown type on a channel that does not exist",
    then="it answers NOT_SUPPORTED",
)  # fmt: skip
def type_before_channel(s: Session) -> None:
    ready(s)
    _check(s, _ask(s, _UNKNOWN, b"", vc=14), Status.NOT_SUPPORTED, "the virtual channel")


@scenario(
    "WIRE/ORDER/BI-direction_channel", "R-WIRE-025", "R-WIRE-006",
    given="a module in READY", when="it receives a TIME_SYNC request on another channel",
    then="it answers NOT_SUPPORTED",
)  # fmt: skip
def direction_before_channel(s: Session) -> None:
    ready(s)
    _check(s, _ask(s, PacketType.TIME_SYNC, bytes(8), vc=14), Status.NOT_SUPPORTED, "the virtual channel")


@scenario(
    "WIRE/ORDER/BI-feature_channel", "R-WIRE-025",
    given="a module in READY without STORAGE", when="it receives STORE_LIST on another channel",
    then="it answers NOT_SUPPORTED", needs="!STORAGE",
)  # fmt: skip
def feature_before_channel(s: Session) -> None:
    ready(s)
    _check(s, _ask(s, PacketType.STORE_LIST, bytes(8), vc=14), Status.NOT_SUPPORTED, "the virtual channel")


@scenario(
    "WIRE/ORDER/BI-channel_state", "R-WIRE-025", "R-WIRE-012",
    given="a module that waits for HELLO", when="it receives EJECT, not legal there, on another channel",
    then="it answers BAD_VALUE",
)  # fmt: skip
def channel_before_state(s: Session) -> None:
    light(s)
    _check(s, _ask(s, PacketType.EJECT, bytes(3), vc=14), Status.BAD_VALUE, "the state")


@scenario(
    "WIRE/ORDER/BI-state_length", "R-WIRE-025",
    given="a module that waits for HELLO", when="it receives EJECT, not legal there, cut short",
    then="it answers BAD_STATE",
)  # fmt: skip
def state_before_length(s: Session) -> None:
    light(s)
    _check(s, _ask(s, PacketType.EJECT, b"\0"), Status.BAD_STATE, "the length")
    greet(s)  # where it is legal, the length alone is wrong with it
    _check(s, _ask(s, PacketType.EJECT, b"\0"), Status.BAD_LENGTH, "nothing")


@scenario(
    "WIRE/ORDER/BI-fields", "R-WIRE-025",
    given="a module in READY", when="it receives DESC_READ with a `length` of 0 and a TLV cut short",
    then="it answers BAD_VALUE",
)  # fmt: skip
def fields_in_wire_order(s: Session) -> None:
    ready(s)
    _check(s, _ask(s, PacketType.DESC_READ, bytes(8) + b"\xff"), Status.BAD_VALUE, "the TLV behind it")


@scenario(
    "WIRE/ORDER/BI-field_member", "R-WIRE-025",
    given="a module in READY", when="it receives EJECT of an unknown phase, cut short",
    then="it answers BAD_LENGTH",
)  # fmt: skip
def fields_before_members(s: Session) -> None:
    ready(s)
    _check(s, _ask(s, PacketType.EJECT, b"\xee\0"), Status.BAD_LENGTH, "the members")


# ── Transactions ─────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "WIRE/TXN/BV-echo", "R-WIRE-009", "R-WIRE-010",
    given="a module in READY", when="it receives eight requests at once, of two types and with transactions far apart",
    then="it answers each with its own transaction and type",
)  # fmt: skip
def transactions_are_told_apart(s: Session) -> None:
    ready(s)
    asked = []
    for i in range(8):
        s.txn = (s.txn + 0x1234) % 0xFFFF
        asked.append(s.request(p.Keepalive(seq=i) if i % 2 else p.StateGet()))
    for one in asked:
        heard = answered(s, one)
        s.expect_status(heard, Status.OK)
        s.expect(heard.packet is not None and heard.packet.type == one.code, f"type {one.code:#04x}", "another type")


@scenario(
    "WIRE/TXN/BV-once", "R-WIRE-008",
    given="a module in READY", when="it receives HELLO twice under one transaction number",
    then="it opens one session, and answers with the same bytes",
)  # fmt: skip
def repeated_hello_opens_one_session(s: Session) -> None:
    light(s)
    asked = s.request(p.Hello(phone_nonce=s.random.getrandbits(64)), lane=Lane.SIDEBAND)
    data = next(x.data for x in reversed(s.steps) if x.data and not x.on_lane)
    first = answered(s, asked)
    s.expect_status(first, Status.OK)
    second = s.repeat(asked, data)
    if second is None:
        s.fail("the stored response", "none")
    s.expect(first.data == second.data, "the stored response", f"session {second.body!r}")


@scenario(
    "WIRE/TXN/BV-extremes", "R-WIRE-009",
    given="a module in READY", when="it receives requests with the transactions 1, 32768 and 65535",
    then="it answers each",
)  # fmt: skip
def extreme_transactions(s: Session) -> None:
    ready(s)
    for txn in (1, 0x8000, 0xFFFF):
        s.txn = txn - 1
        s.asks(p.StateGet())


@scenario(
    "WIRE/TXN/BV-many", "R-WIRE-023",
    given="a module in READY", when="outstanding_min requests come at once", then="it answers each of them",
)  # fmt: skip
def requests_that_come_at_once(s: Session) -> None:
    ready(s)
    asked = [s.request(p.StateGet()) for _ in range(OUTSTANDING_MIN)]
    answered = sum(s.answer(each) is not None for each in asked)
    s.expect(answered == OUTSTANDING_MIN, f"{OUTSTANDING_MIN} answers", f"{answered}")


@scenario(
    "WIRE/TXN/TI-response", "R-WIRE-023",
    given="a module in READY", when="it receives a request that reads its state", then="it answers within tResponse",
)  # fmt: skip
def answers_in_time(s: Session) -> None:
    ready(s)
    begun = s.now
    heard = s.ask(p.StateGet())
    s.waited(heard.time - begun, s.timer("tResponse"), "an answer")


# ── Rubbish ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "WIRE/RUBBISH/RB-bytes", "R-WIRE-021", "R-WIRE-001",
    given="a module in READY", when="it receives packets of random bytes, of every length to 64 and some beyond",
    then="it answers none of them and goes on working",
)  # fmt: skip
def random_bytes(s: Session) -> None:
    ready(s)
    for length in (*range(65), 255, 256, 1023, 1024, 4096):
        s.send(s.random.randbytes(length), s.lane(PacketType.STATE_GET), "rubbish")
    s.let(s.catalogue.timer["tResponse"].max or 0)
    s.alive()


@scenario(
    "WIRE/RUBBISH/RB-headers", "R-WIRE-021",
    given="a module in READY", when="it receives requests of every type with random payloads",
    then="it goes on working", plan=Plan.CI,
)  # fmt: skip
def random_payloads(s: Session) -> None:
    ready(s)
    for packet in s.catalogue.packets:
        if packet.name in ("RESET", "LINK_PM", "EJECT", "HELLO", "RETRAIN_REQ", "PWR_RESET"):
            continue  # these may rightly end what the test goes on with
        x = Exchange(packet.code, s.random.randbytes(s.random.randrange(60)), Oracle.REFUSED)
        s.stimulate(x)
        s.let(1000)
    s.let(s.catalogue.timer["tResponse"].max or 0)
    s.alive()


@scenario(
    "WIRE/RUBBISH/RB-bursts", "R-WIRE-021", "R-WIRE-002",
    given="a module in READY", when="it receives a hundred damaged packets at once",
    then="it counts a hundred wrong CRCs and goes on working",
)  # fmt: skip
def damaged_burst(s: Session) -> None:
    ready(s)
    before = s.counters().get(p.CounterId.BAD_CRC, 0)
    x = Exchange(PacketType.STATE_GET, b"", Oracle.DROPPED, damage=Damage.CRC)
    for _ in range(100):
        s.stimulate(x)
    s.let(1_000_000)
    after = s.counters().get(p.CounterId.BAD_CRC, 0)
    s.expect(after == before + 100, f"BAD_CRC {before + 100}", f"{after}")
