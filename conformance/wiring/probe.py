"""Probing: what an implementation says of itself and what of it works, read over the link.

Plan: bound · known · observed · the PICS of it.
"""

from opalink.conformance.bundle.results import Bound
from opalink.conformance.conclusions import Conclusive, Fail
from opalink.conformance.papers.pics import Pics, Product
from opalink.conformance.purposes import Exchange, Oracle
from opalink.conformance.tester.preambles import reach
from opalink.conformance.tester.session import Known, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import DecodeError, Status, decode_layout
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.write import default, write
from opalink.protocol.packets import ClockMode, DescriptorObject, Feature, Lane, Operation, OperationTag, Plane
from opalink.protocol.transport import Bench
from opalink.spec.form import Form, Role

_MOST = 1 << 20  # bytes of a descriptor that are read, whatever its size is said to be


# ── Bound ────────────────────────────────────────────────────────────────────────────────────────────


def bound(bench: Bench) -> Bound:
    """What an implementation says when it is bound, and which image runs."""
    peer = bench.peer
    version = None
    if bench.offers(OperationTag.VERSION):
        answer = bench.control(OperationTag.VERSION, p.VersionOperation()).answer
        version = answer[0].value if answer else None
    if not isinstance(version, p.VersionAnswer):
        version = p.VersionAnswer()
    return Bound(
        name=_text(peer.name),
        role=str(getattr(peer.role, "name", peer.role)).lower(),
        planes=tuple(m.name.lower() for m in Plane if peer.planes & m and m.name),
        clocks=tuple(m.name.lower() for m in ClockMode if peer.clocks & m and m.name),
        operations=tuple(m.name.lower() for m in Operation if peer.operations & m and m.name),
        product=_text(version.product),
        version=_text(version.version),
        digest=version.digest.hex() if any(version.digest) else "",
    )


def _text(data: bytes) -> str:
    return bytes(data).decode(errors="replace")


# ── Known ────────────────────────────────────────────────────────────────────────────────────────────


def know(s: Session) -> Known:
    """Read all that an implementation says of itself. What cannot be read is left out: the tests about it fail."""
    known = s.known
    reach(s, "READY")
    known.reached = True
    known.features = frozenset(f.name for f in Feature if s.greeting.features & f and f.name)
    s.monitor.features = known.features
    for read in (_descriptor, _properties, _modes, _caps):
        try:
            read(s, known)
        except Conclusive:
            continue
    if record := known.record("POWER"):
        s.monitor.peak = record.peak
    return known


def _descriptor(s: Session, known: Known) -> None:
    known.raw = object_bytes(s, DescriptorObject.DESCRIPTOR)
    try:
        known.descriptor = decode_layout("Descriptor", known.raw)
    except DecodeError as error:
        raise Fail("a descriptor that decodes", str(error)) from None


def object_bytes(s: Session, which: int, *, lane: Lane | None = None) -> bytes:
    """An object of DESC_READ, whole."""
    data = b""
    while True:
        body = s.asks(p.DescRead(object=which, offset=len(data), length=4092), lane=lane)
        data += bytes(body.data)
        if not body.data or len(data) >= min(body.total, _MOST):
            return data


def _properties(s: Session, known: Known) -> None:
    first = 0
    while first <= 0xFFFF:
        heard = s.ask(p.PropDesc(first=first, max=64))
        if heard.status != Status.OK or not heard.body.described:
            return
        known.properties |= {d.id: d for d in heard.body.described}
        last = heard.body.described[-1].id
        if last < first:
            return
        first = last + 1


def _modes(s: Session, known: Known) -> None:
    if "SENSOR" in known.features:
        known.modes = s.asks(p.ModeTable()).modes


def _caps(s: Session, known: Known) -> None:
    known.caps = s.asks(p.PwrSinkCaps())


# ── Observed ─────────────────────────────────────────────────────────────────────────────────────────


def observe(s: Session) -> dict[str, bool]:
    """For each feature that has a request of its own: whether it is supported, whatever is advertised."""
    reach(s, "READY")
    found: dict[str, bool] = {}
    for packet in s.catalogue.packets:
        if len(packet.needs) != 1 or packet.optional or packet.name in _DISTURBING or not _asked(packet):
            continue
        layout = s.catalogue.layout[packet.forms[Form.REQUEST]]
        payload = write(s.catalogue, layout, default(s.catalogue, layout))
        asked, _ = s.stimulate(Exchange(packet.code, payload, Oracle.ACCEPTED))
        heard = s.answer(asked)
        if heard is not None:
            name = packet.needs[0]
            found[name] = found.get(name, False) or heard.status != Status.NOT_SUPPORTED
    return found


# What would end the session or the link, and what the gateway answers.
_DISTURBING = {"LINK_PM", "RETRAIN_REQ", "TRAIN_REQ", "LINK_PARAMS", "VC_RESYNC", "BERT_RUN", "FW_BEGIN", "FW_CONTROL"}


def _asked(packet: ir.Packet) -> bool:
    return Form.REQUEST in packet.forms and packet.sender in (Role.PHONE, Role.BOTH)


# ── The PICS of it ───────────────────────────────────────────────────────────────────────────────────


def picture(catalogue: ir.Catalogue, bound: Bound, known: Known, observed: dict[str, bool]) -> Pics:
    """A PICS that declares what the implementation advertises."""
    names = [m.name for m in catalogue.flag_set["Feature"].members]
    advertised = {name: name in known.features for name in names}
    record = known.record("FEATURES")
    profile = _text(record.profile) if record else ""
    return Pics(
        Product(bound.product or bound.name, bound.version, bound.digest),
        catalogue.version,
        catalogue.fingerprint,
        bound.role,
        profile if profile in catalogue.profile else "",
        dict(advertised),
        advertised,
        observed,
    )
