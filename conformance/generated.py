"""Purposes that follow from the catalogue: every check of every request, and the rules of every packet.

What can be wrong with a value, `protocol.ir.probes` knows; this module puts each probe into a request and says what
must come of it. A stimulus has one fault and no other, which is proved while it is made: with the fault undone the
packet decodes, with it the decoder reports exactly this fault.

Plan: what a role receives · values · the header and the whole packet · types and directions · features · states · all.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from msgspec import structs

from opalink.conformance.phrases import phrase
from opalink.conformance.planes import planes_of
from opalink.conformance.purposes import (
    Class,
    Damage,
    Exchange,
    Oracle,
    Plan,
    Purpose,
    any_of,
    area_of,
    identify,
    none_of,
    sentence,
)
from opalink.conformance.tester.matrix import BRIEF, NEEDS, UNANSWERED, Matrix, reachable
from opalink.conformance.tester.stimuli import prove
from opalink.protocol.errors import Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue as published
from opalink.protocol.ir.obligations import key_of
from opalink.protocol.ir.probes import Probe, illegal, legal, maximum
from opalink.protocol.ir.write import default, write
from opalink.spec.form import Form, Role
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

_UNKNOWN_TLVS = ("unknown_tlv", "empty_tlv", "repeated_tlv")


# ── What a role receives ─────────────────────────────────────────────────────────────────────────────


class Suite:
    """The purposes for implementations of one role."""

    def __init__(self, catalogue: ir.Catalogue, role: Role) -> None:
        self.catalogue, self.role = catalogue, role
        own = {Role.MODULE: (Role.MODULE, Role.SINK), Role.PHONE: (Role.PHONE, Role.SOURCE)}[role]
        self.received = [p for p in catalogue.packets if p.sender not in own]
        # What a module that supplies the phone is asked by it.
        self.of_source = [p for p in catalogue.packets if p.sender is Role.SINK and role is Role.MODULE]
        self.sent = [p for p in catalogue.packets if p.sender in own]
        self.matrix = Matrix(catalogue, role)

    def requests(self) -> list[ir.Packet]:
        return [p for p in self.received if Form.REQUEST in p.forms]

    def layout(self, p: ir.Packet, form: Form = Form.REQUEST) -> ir.Layout:
        return self.catalogue.layout[p.forms[form]]

    def plain(self, p: ir.Packet, form: Form = Form.REQUEST) -> bytes:
        """The payload of a legal packet with every field at its default."""
        layout = self.layout(p, form)
        return write(self.catalogue, layout, default(self.catalogue, layout))

    def purpose(
        self,
        p: ir.Packet,
        class_: Class,
        name: str,
        requirements: tuple[str, ...],
        run: Exchange,
        when: str,
        then: str,
        *,
        needs: tuple[str, ...] = (),
        plan: Plan = Plan.CI,
        always: bool = False,
    ) -> Purpose:
        """A purpose about a packet type. It applies where the type's features are, unless `always`."""
        of_type = () if always else any_of(p.needs)
        everything = tuple(dict.fromkeys((*of_type, *NEEDS.get(run.state, ()), *needs)))
        return Purpose(
            identify(self.role, area_of(self.catalogue, p), p.name, class_, f"g.{name}"),
            requirements,
            sentence(f"a {self.role} in {run.state}", when, then),
            run,
            everything,
            planes=planes_of(p, run),
            plan=plan,
        )

    def exchange(self, p: ir.Packet, payload: bytes, oracle: Oracle, **more: object) -> Exchange:
        given: dict[str, Any] = {"state": self.matrix.home(p), "optional": p.optional, **more}
        return Exchange(p.code, payload, oracle, **given)

    # ── Values ──

    def values(self, p: ir.Packet) -> Iterator[Purpose]:
        """Every probe of a request's layout."""
        layout, room = self.layout(p), self.catalogue.channel[p.channel].payload_max
        answer = () if p.optional else (self.catalogue.by_key[f"{p.name}.answer"].id,)
        for name, value in (("default", default(self.catalogue, layout)), ("maximum", self._maximum(p))):
            run = self.exchange(p, write(self.catalogue, layout, value), Oracle.ACCEPTED)
            yield self.purpose(
                p, Class.BV, name, (*answer, "R-WIRE-020"), run,
                f"it receives a {p.name} request with every field at its {name}", "it answers as the type declares",
                plan=Plan.QUICK,
            )  # fmt: skip
        for probe in legal(self.catalogue, layout):
            payload = write(self.catalogue, layout, probe.value)
            if len(payload) <= room:
                make = self._member if probe.operator == "unknown_member" else self._valid
                yield make(p, probe, payload)
        for probe in illegal(self.catalogue, layout):
            # Beyond the limit of its channel too: a receiver makes no check of that (R-WIRE-025).
            yield self._invalid(p, probe, write(self.catalogue, layout, probe.value))

    def _maximum(self, p: ir.Packet) -> dict[str, object]:
        """The fullest request that its channel and, where it must travel there, the sideband take."""
        room = self.catalogue.channel[p.channel].payload_max
        if "sideband" in p.lanes:
            room = min(room, SIDEBAND_PACKET - PACKET_OVERHEAD)
        return maximum(self.catalogue, self.layout(p), room)

    def _valid(self, p: ir.Packet, probe: Probe, payload: bytes) -> Purpose:
        requirements = ["R-WIRE-020"]
        if probe.operator == "reserved":
            key = key_of(self.catalogue, p, Form.REQUEST, probe.field, "reserved")
            requirements.insert(0, self.catalogue.by_key[key].id)
        elif probe.operator in _UNKNOWN_TLVS:
            requirements.insert(0, "R-WIRE-015")
        prove(p, payload, None)
        return self.purpose(
            p, Class.BV, probe.name, tuple(requirements), self.exchange(p, payload, Oracle.ACCEPTED),
            f"it receives a {p.name} request {phrase(probe)}", "it does not complain about the payload",
            needs=self._tlv_needs(p, probe.field),
        )  # fmt: skip

    def _member(self, p: ir.Packet, probe: Probe, payload: bytes) -> Purpose:
        """An unknown member decodes, and is refused all the same."""
        key = key_of(self.catalogue, p, Form.REQUEST, probe.field, "member")
        prove(p, payload, None)
        return self._refused(p, probe, payload, key, "BAD_VALUE")

    def _invalid(self, p: ir.Packet, probe: Probe, payload: bytes) -> Purpose:
        prove(p, payload, probe)
        status = "BAD_LENGTH" if probe.fault in (Fault.SHORT, Fault.LONG) else "BAD_VALUE"
        if status == "BAD_VALUE":
            key = key_of(self.catalogue, p, Form.REQUEST, probe.field, str(probe.fault))
        else:
            head = probe.field.partition(".")[0]
            part = next(f for f in ir.fields_of(self.layout(p).parts) if f.name == head)
            key = f"{p.name}.request.{'tlvs' if isinstance(part, ir.Tlvs) else 'short'}"
        return self._refused(p, probe, payload, key, status)

    def _refused(self, p: ir.Packet, probe: Probe, payload: bytes, key: str, status: str, at: str = "") -> Purpose:
        """`at` is a state that is not the type's usual one, in which the order of checks is what matters."""
        control = write(self.catalogue, self.layout(p), probe.restored or {})
        prove(p, control, None)
        more = {"state": at} if at else {}
        run = self.exchange(p, payload, Oracle.REFUSED, statuses=(status,), control=control, **more)
        requirement = "R-WIRE-025" if at else self.catalogue.by_key[key].id
        return self.purpose(
            p, Class.BI, f"in.{at}.cut" if at else probe.name, (requirement,), run,
            f"it receives a {p.name} request {phrase(probe)}", f"it answers {status} and changes nothing",
            needs=self._tlv_needs(p, probe.field),
        )  # fmt: skip

    def _tlv_needs(self, p: ir.Packet, field: str) -> tuple[str, ...]:
        """What a module must have to know the TLV that a field is in."""
        head, _, rest = field.partition(".")
        part = next((f for f in ir.fields_of(self.layout(p).parts) if f.name == head), None)
        if not isinstance(part, ir.Tlvs) or not rest:
            return ()
        name = rest.partition(".")[0]
        return any_of(next(t.needs for t in self.catalogue.space[part.space].types if t.name == name))

    # ── The header and the whole packet ──

    def framing(self, p: ir.Packet) -> Iterator[Purpose]:
        """What holds for a request of any type, tried with this one."""
        plain, vc = self.plain(p), self.catalogue.channel[p.channel].value
        a = f"a {p.name} request"

        def made(
            class_: Class, name: str, requirement: str, when: str, then: str, oracle: Oracle, **more: object
        ) -> Purpose:
            run = self.exchange(p, plain, oracle, **{"control": plain, **more})
            return self.purpose(p, class_, name, (requirement,), run, when, then)

        yield made(
            Class.RB, "crc", "R-WIRE-001", f"it receives {a} with a wrong CRC", "it answers nothing and counts it",
            Oracle.DROPPED, damage=Damage.CRC,
        )  # fmt: skip
        yield made(
            Class.RB, "cut", "R-BEN-008", f"a bench record brings {a} without its last byte", "it counts a wrong CRC",
            Oracle.DROPPED, damage=Damage.CUT,
        )  # fmt: skip
        yield made(
            Class.RB, "tail", "R-BEN-008", f"a bench record brings {a} and a byte more", "it counts a wrong CRC",
            Oracle.DROPPED, damage=Damage.TAIL,
        )  # fmt: skip
        yield made(
            Class.BI, "major", "R-WIRE-007", f"it receives {a} of another major version", "it answers BAD_VERSION",
            Oracle.REFUSED, header=(("major", 2),), statuses=("BAD_VERSION",),
        )  # fmt: skip
        yield made(
            Class.BI, "vc", "R-WIRE-012", f"it receives {a} on another virtual channel", "it answers BAD_VALUE",
            Oracle.REFUSED, header=(("vc", vc ^ 7),), statuses=("BAD_VALUE",),
        )  # fmt: skip
        yield made(
            Class.BI, "instance", "R-WIRE-018", f"it receives {a} for stack position 15", "it answers NO_SUCH_ID",
            Oracle.REFUSED, header=(("instance", 15),), statuses=("NO_SUCH_ID",),
        )  # fmt: skip
        for spare in ("spare0", "spare2"):
            yield made(
                Class.BV, spare, "R-WIRE-014", f"it receives {a} with the reserved header bit {spare} set",
                "it answers as if the bit were 0", Oracle.ACCEPTED, header=((spare, 1),),
            )  # fmt: skip
        if not p.optional:  # else NOT_SUPPORTED says nothing of the bit
            yield made(
                Class.BI, "more", "R-WIRE-033", f"it receives {a} whose payload is to go on in another packet",
                "it answers NOT_SUPPORTED", Oracle.REFUSED, header=(("more", 1),), statuses=("NOT_SUPPORTED",),
            )  # fmt: skip
        yield made(
            Class.BV, "repeated", "R-WIRE-008", f"it receives {a} twice under one transaction number",
            "it answers with the same bytes and acts once", Oracle.REPEATED,
        )  # fmt: skip
        if Form.EVENT not in p.forms:
            yield made(
                Class.BI, "as_event", "R-WIRE-003", f"it receives {a} with transaction 0", "it answers nothing",
                Oracle.SILENT, header=(("txn", 0),),
            )  # fmt: skip

    def strays(self, p: ir.Packet) -> Iterator[Purpose]:
        """A response that nobody asked for."""
        if Form.RESPONSE not in p.forms:
            return
        run = Exchange(p.code, self.plain(p, Form.RESPONSE), Oracle.SILENT, Form.RESPONSE)
        yield self.purpose(
            p, Class.BI, "stray_response", ("R-WIRE-004",), run,
            f"it receives a {p.name} response that matches no request", "it answers nothing", always=True,
        )  # fmt: skip

    def events(self, p: ir.Packet) -> Iterator[Purpose]:
        """Events, whole and faulty: neither is ever answered."""
        if Form.EVENT not in p.forms:
            return
        layout, room = self.layout(p, Form.EVENT), self.catalogue.channel[p.channel].payload_max
        payloads = [("default", "with every field at its default", self.plain(p, Form.EVENT))]
        for probe in illegal(self.catalogue, layout):
            payloads += [(probe.name, phrase(probe), write(self.catalogue, layout, probe.value))]
        for name, words, payload in payloads:
            if len(payload) <= room:
                counted = self.matrix.counted(p, "READY") if name == "default" else ()
                run = Exchange(p.code, payload, Oracle.SILENT, Form.EVENT, statuses=counted)
                yield self.purpose(
                    p, Class.BI if name != "default" else Class.BV, f"event.{name}",
                    ("R-WIRE-003", *(("R-LNK-014",) if counted else ())), run,
                    f"it receives a {p.name} event {words}", UNANSWERED[counted], always=True,
                )  # fmt: skip

    # ── Types and directions ──

    def directions(self, p: ir.Packet) -> Iterator[Purpose]:
        """Types that only this side sends, and forms that a type does not have."""
        foreign = p in self.sent
        needs = () if p.sender is self.role else ("!ROLE_SWAP",)
        if Form.REQUEST in p.forms and foreign:
            yield self._unsupported(p, "direction", "R-WIRE-006", Form.REQUEST, "which only its own side sends", needs)
        if Form.EVENT in p.forms and foreign:
            run = Exchange(p.code, self.plain(p, Form.EVENT), Oracle.SILENT, Form.EVENT)
            yield self.purpose(
                p, Class.BI, "direction", ("R-WIRE-003",), run,
                f"it receives a {p.name} event, which only its own side sends", "it answers nothing",
                needs=needs, always=True,
            )  # fmt: skip
        if Form.REQUEST not in p.forms:
            yield self._unsupported(p, "as_request", "R-WIRE-005", Form.EVENT, "a type that has no request")

    def _unsupported(
        self, p: ir.Packet, name: str, requirement: str, form: Form, why: str, needs: tuple[str, ...] = ()
    ) -> Purpose:
        run = Exchange(p.code, self.plain(p, form), Oracle.REFUSED, statuses=("NOT_SUPPORTED",))
        return self.purpose(
            p, Class.BI, name, (requirement,), run, f"it receives a {p.name} request, {why}",
            "it answers NOT_SUPPORTED", needs=needs, always=True,
        )  # fmt: skip

    def unknown_types(self) -> Iterator[Purpose]:
        """Every code that no packet type has."""
        for code in sorted(set(range(256)) - set(self.catalogue.by_code)):
            for form in (Form.REQUEST, Form.EVENT):
                asked = form is Form.REQUEST
                run = Exchange(
                    code, b"", Oracle.REFUSED if asked else Oracle.SILENT, form,
                    statuses=("NOT_SUPPORTED",) if asked else (),
                )  # fmt: skip
                yield Purpose(
                    identify(self.role, "WIRE", "UNKNOWN_TYPE", Class.BI, f"g.{form}.{code:#04x}"),
                    ("R-WIRE-005" if asked else "R-WIRE-003",),
                    sentence(
                        f"a {self.role} in READY", f"it receives an {form} of the unknown type {code:#04x}",
                        "it answers NOT_SUPPORTED" if asked else "it answers nothing",
                    ),
                    run,
                )  # fmt: skip

    # ── Features and states ──

    def absent(self, p: ir.Packet) -> Iterator[Purpose]:
        """What a module without the feature must say."""
        if not p.needs or Form.REQUEST not in p.forms:
            return
        requirement = self.catalogue.by_key[f"{p.name}.absent"].id
        run = Exchange(p.code, self.plain(p), Oracle.REFUSED, statuses=("NOT_SUPPORTED",))
        made = self.purpose(
            p, Class.NP, "absent", (requirement,), run,
            f"it receives a {p.name} request and has none of {', '.join(p.needs)}", "it answers NOT_SUPPORTED",
            plan=Plan.QUICK,
        )  # fmt: skip
        yield Purpose(
            made.id, made.requirements, made.sentence, made.run, none_of(p.needs), planes=made.planes, plan=made.plan
        )

    def states(self, p: ir.Packet) -> Iterator[Purpose]:
        """A request of this type in every state that a session can reach: where it is not legal, and where it is."""
        home = self.matrix.home(p)
        for name, passes in self.matrix.cells(p).items():
            if name == home or not reachable(p, name):
                continue
            if not passes:
                run = self.exchange(p, self.plain(p), Oracle.REFUSED, statuses=("BAD_STATE",), state=name, control=None)
                yield self.purpose(
                    p, Class.BO, name, ("R-WIRE-027",), run,
                    f"it receives a {p.name} request", "it answers BAD_STATE and changes nothing",
                )  # fmt: skip
            elif name not in BRIEF and not p.optional:
                run = self.exchange(p, self.plain(p), Oracle.ACCEPTED, state=name)
                yield self.purpose(
                    p, Class.BV, f"in.{name}", (self.catalogue.by_key[f"{p.name}.answer"].id,), run,
                    f"it receives a {p.name} request with every field at its default",
                    "it answers as the type declares, and goes on working",
                )  # fmt: skip
            if passes and name not in BRIEF and self.matrix.doubtful(p, name):
                yield from self._looked_into(p, name)

    def _looked_into(self, p: ir.Packet, name: str) -> Iterator[Purpose]:
        """A legal request that may be refused with BAD_STATE for what it asks: its payload, which is looked at only
        then, shows that it is legal."""
        cut = [x for x in illegal(self.catalogue, self.layout(p)) if x.fault is Fault.SHORT]
        for probe in cut[:1]:
            yield self._refused(p, probe, write(self.catalogue, self.layout(p), probe.value), "", "BAD_LENGTH", name)

    def events_in_states(self, p: ir.Packet) -> Iterator[Purpose]:
        """An event of this type in every other state: legal or not, it is never answered."""
        if Form.EVENT not in p.forms:
            return
        for name in self.matrix.states:
            if name != "READY" and name not in BRIEF and reachable(p, name):
                counted = self.matrix.counted(p, name)
                run = Exchange(
                    p.code, self.plain(p, Form.EVENT), Oracle.SILENT, Form.EVENT, state=name, statuses=counted
                )
                yield self.purpose(
                    p, Class.BO, f"event.{name}", ("R-WIRE-003", *(("R-LNK-014",) if counted else ())), run,
                    f"it receives a {p.name} event", UNANSWERED[counted], always=True,
                )  # fmt: skip

    # ── All ──

    def purposes(self) -> Iterator[Purpose]:
        """Everything that follows from the catalogue."""
        for p in self.received:
            if Form.REQUEST in p.forms:
                if any(self.matrix.cells(p).values()):  # elsewhere its state is refused before its payload is looked at
                    yield from self.values(p)
                    yield from self.framing(p)
                yield from self.absent(p)
                yield from self.states(p)
            yield from self.events(p)
            yield from self.events_in_states(p)
        for p in self.of_source:
            if Form.REQUEST in p.forms:
                yield from self.values(p)
                yield from self.framing(p)
                yield from self.absent(p)
        for p in self.catalogue.packets:
            yield from self.strays(p)
            yield from self.directions(p)
        yield from self.unknown_types()

    def carried(self, purposes: Iterable[Purpose]) -> Iterator[Purpose]:
        """What is asked of the packets of some chapters once more, by FLITs and sideband records."""
        for made in purposes:
            p = self.catalogue.by_code.get(made.run.packet) if isinstance(made.run, Exchange) else None
            if not isinstance(made.run, Exchange) or p is None or p.group not in CARRIED or len(made.planes) < 2:
                continue
            heard = p in self.received or p in self.of_source
            if made.class_ in (Class.BV, Class.BI, Class.RB) and made.run.form is Form.REQUEST and heard:
                words = made.sentence.replace("}", " on the FLIT plane}", 1)
                yield structs.replace(made, id=made.id.replace("-g.", "-gf."), planes=("flit",), sentence=words)


# Chapters whose requests are tried on both planes.
CARRIED: Final = ("link", "management", "power", "capture")


@cache
def generated(role: Role) -> tuple[Purpose, ...]:
    """The generated purposes for implementations of a role."""
    suite = Suite(published(), role)
    made = [p for p in suite.purposes() if p.planes]
    return (*made, *suite.carried(made)) if role is Role.MODULE else tuple(made)
