"""Back end: the machines of both sides as models for the checker spin, one for each concern of `opalink.spec.safety`.

A model is one process that loops: something happens (a packet arrives or is lost, a timer runs out, the world moves, a
tick of time goes by), and both sides settle: every event and signal is handed to the machines of its side, in order,
as the engine does. A step is atomic, so its inside makes no states. Time goes on only when nothing is on its way.

Plan: files · packets that arrive · the world · properties · the whole.
"""

from functools import cached_property

from opalink.protocol.generate.marks import header
from opalink.protocol.generate.promela.rows import (
    ANSWERED,
    NAMES,
    OTHER,
    QUEUE,
    SIDES,
    Rows,
    any_of,
    event_name,
    indent,
)
from opalink.protocol.ir import model as ir
from opalink.spec import abstraction, safety
from opalink.spec.form import (
    Form,
)
from opalink.spec.model_form import Happening, Invariant, Model

# ── Files ────────────────────────────────────────────────────────────────────────────────────────────


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """`NAME.pml` for every model."""
    mark = header("//", catalogue.fingerprint, "A model for the checker spin.")
    return {f"{m.name}.pml": (mark + "\n" + text(catalogue, m)).encode() for m in safety.MODELS}


def text(catalogue: ir.Catalogue, model: Model) -> str:
    """A model as Promela. Raises KeyError, naming it, for a machine that the catalogue has not."""
    return _Text(catalogue, model).whole()


class _Text(Rows):
    """One model on its way to text."""

    # ── Packets that arrive ──

    def _arrivals(self, side: str) -> list[str]:
        """What becomes of each packet that the peer may have sent."""
        lines = ["if"]
        for _, kind in [x for x in self.sent if x[0] == OTHER[side]]:
            packet, _, form = kind.rpartition("_")
            known = [self._raise(side, kind)] if kind in self.labels[side] else []
            told = f'printf("RECV {side} {packet} {form} %d %d\\n", arg, status)'
            if form in ANSWERED:
                body = [*self._note(side, abstraction.TOLD.get(packet, "")), *known]
                taken = f"{side}_open_{packet} == tx && tx" if packet in self.asks[side] else "false"
                body.insert(0, f"{side}_open_{packet} = 0" if packet in self.asks[side] else "skip")
                refused = "skip"
            else:
                body = [*self._note(side, abstraction.HEARD.get(packet, "")), *known]
                taken, refused = self._legal(side, packet), "skip"
                if form == Form.REQUEST:
                    body = known or [self._reply(side, packet, "OK")]
                    refused = self._reply(side, packet, "BAD_STATE")
            lines.append(f":: kind == {kind} -> {told};")
            lines += indent(["if", f":: ({taken}) -> {'; '.join(body or ['skip'])}"])
            lines += indent([f':: else -> printf("IGNORED {side} {packet} {form}\\n"); {refused}', "fi"])
        return [*lines, "fi"]

    def _delivery(self, side: str) -> list[str]:
        lanes = [(0, self.model.laser), (1, self.model.sideband)]
        up = any_of(f"lane == {i} && ({self.said(side, x)})" for i, x in lanes if x != "false")
        lines = [f":: {self._first}{self._deliverable(side)} -> to_{side}?kind, arg, status, tx, lane;"]
        body = ["if", f':: !({up}) -> printf("DROP {side} %d\\n", kind)']
        body += [f":: else -> {side}_has_heard = 1;", *indent(self._arrivals(side)), "fi"]
        lines += indent(body)
        if not self.model.kept:
            lines.append(
                f":: {self._storm} && to_{side}?[_, _, _, _, 1] -> {self._stir}; "
                f'to_{side}?kind, arg, status, tx, lane; printf("LOST {side} %d\\n", kind)'
            )
        return lines

    @property
    def _storm(self) -> str:
        return f"!calm && !stirred && stirs < {self.model.storm}"

    @property
    def _first(self) -> str:
        return "noticed && " if self.model.prompt else ""

    _stir = "stirred = 1; stirs++"

    def _deliverable(self, side: str) -> str:
        up = self.said(side, self.model.laser if self.model.laser != "false" else self.model.sideband)
        return f"len(to_{side}) > 0 && ({up})" if self.model.kept else f"len(to_{side}) > 0"

    @cached_property
    def _noticed(self) -> str:
        """Whether all that happens at once has happened."""
        return (
            " && ".join(
                f"!({when})" for h in self.model.world if h.calm == "at once" for _, _, when, _ in self._each(h)
            )
            or "true"
        )

    # ── The world ──

    def _each(self, h: Happening) -> list[tuple[str, str, str, str]]:
        """(who, name, when, do) of a happening, for every side that has it."""
        return [
            (s or "world", h.name, self.said(s or "phone", h.when), self.said(s or "phone", h.do))
            for s in (h.sides or ("",))
        ]

    def _world(self) -> list[str]:
        lines = []
        for h in self.model.world:
            for who, name, when, do in self._each(h):
                test = f"({when})" if h.calm == "at once" else f"{self._first}({when})"
                stir = ""
                if h.calm == "never":
                    test, stir = f"{self._storm} && {test}", f"{self._stir}; "
                lines.append(f':: {test} -> d_step {{ printf("WORLD {who} {name}\\n"); {stir}{do}; }}')
        quiet = " && ".join(f"!({self._deliverable(s)})" for s in SIDES)
        quiet = quiet if self.model.kept else f"(!calm || ({quiet}))"
        for side in SIDES:
            for m, t in self.timers[side]:
                lines.append(
                    f":: {self._first}{side}_{m}_{t} == 1 && {quiet} -> d_step {{ {side}_{m}_{t} = 0; "
                    f'printf("TIMER {side} {t}\\n"); {self._raise(side, f"{m}_{t}")}; }}'
                )
        lines.append(
            ":: !calm && len(to_phone) == 0 && len(to_module) == 0 -> "
            'd_step { calm = 1; stirred = 0; stirs = 0; printf("CALM -\\n"); }'
        )
        return [*lines, *self._tick()]

    def _tick(self) -> list[str]:
        """Time goes on when all that was on its way has arrived."""
        clocks = [f"{s}_{m}_{t}" for s in SIDES for m, t in self.timers[s]]
        waits = [f"!({self._deliverable(s)})" for s in SIDES] + [f"{c} != 1" for c in clocks]
        waits.append("noticed")
        waits += [
            f"!(calm && ({when}))" for h in self.model.world if h.calm == "must" for _, _, when, _ in self._each(h)
        ]
        bounds = self._bounds
        runs = any_of(
            [
                "stirred",
                *clocks,
                *filter(None, [self.model.clock]),
                *(f"({b.since}) && !({b.until})" for _, b in bounds),
            ]
        )
        body = ["stirred = 0", "stirs = (common -> 0 : stirs)", *(f"{c} = ({c} -> {c} - 1 : 0)" for c in clocks)]
        if not self.model.kept:
            body += [f"{s}_open_{p} = 0" for s in SIDES for p in self.asks[s]] + [f"{s}_txn = 0" for s in SIDES]
        body += [f"{n} = (({b.since}) && !({b.until}) -> {n} + 1 : 0)" for n, b in bounds]
        body += [self.model.tidy] if self.model.tidy else []
        body += [x for n, b in bounds for x in self._judge(b.name, f"{n} <= {self.ticks[b.timer]}")]
        settled = [x for p in self.model.properties if isinstance(p, Invariant) and p.settled for x in self._holds(p)]
        return [
            f":: {' && '.join(waits)} && ({runs}) -> d_step {{",
            *indent(['printf("TICK -\\n");', *settled]),
            *indent(f"{x};" if not x.endswith(";") else x for x in body),
            "}",
        ]

    def _holds(self, p: Invariant) -> list[str]:
        lines = []
        for side in p.sides or ("phone",):
            lines += self._judge(f"{side}: {p.name}" if p.sides else p.name, self.said(side, p.holds))
        return lines

    @staticmethod
    def _judge(name: str, test: str) -> list[str]:
        return [f'if :: ({test}) :: else -> printf("BROKEN {name}\\n"); assert(false) fi;']

    # ── The whole ──

    def _settle(self) -> list[str]:
        """Signals in order until none is left, the phone's first; `heard` and `sent` stand for any number."""
        lines, before = ["do"], ""
        for side in (s for s in SIDES if self.of[s]):
            dispatch = indent(self._dispatch(side))
            lines += [f":: {before}len({side}_events) > 0 -> {side}_events?e;", *dispatch]
            before += f"len({side}_events) == 0 && "
            for name in ("heard", "sent"):
                if name in self.labels[side]:
                    flag = f"{side}_has_{name}"
                    lines.append(f":: {before}{flag} -> {flag} = 0; {self._raise(side, name)}")
                    before += f"!{flag} && "
        return [*lines, ":: else -> break", "od;"]

    def whole(self) -> str:
        # What is sent is known once everything that sends is written; answers follow from requests.
        settle, world = self._settle(), self._world()
        for side, kind in list(self.sent):
            if kind.endswith("_request"):
                packet = kind.removesuffix("_request")
                for status in ("OK", "BAD_STATE"):
                    self._reply(OTHER[side], packet, status)
        happens = [line for side in SIDES for line in self._delivery(side)] + world
        checks = [
            x for p in self.model.properties if isinstance(p, Invariant) and not p.settled for x in self._holds(p)
        ]
        clear = [
            "e = 0; kind = 0; arg = 0; out = 0; status = 0; tx = 0; lane = 0; answered = 0;",
            *(f"{s}_has_heard = 0; {s}_has_sent = 0;" for s in SIDES),
        ]
        clear += [f"{name} = (({b.since}) && !({b.until}) -> {name} : 0);" for name, b in self._bounds]
        common = self.said("phone", self.model.common)
        inlines = [
            line
            for side, kind in self.sent
            for line in (self._answerer if kind.rpartition("_")[2] in ANSWERED else self._sender)(side, kind)
        ]
        body = ["if", *happens, "fi;", *settle, "d_step {", *indent([*clear, *checks]), "}"]
        loop = [
            "do",
            ":: atomic {",
            *indent(body),
            "}",
            ":: timeout -> "
            + " ".join(self._judge("nothing stops outside the common state", "common"))[:-1]
            + "; break",
            "od",
        ]
        return "\n".join(
            [
                f"// {self.model.doc}",
                "",
                *self._variables(),
                f"#define common ({common})",
                f"#define noticed ({self._noticed})",
                "ltl returns { (<> calm) -> (<> [] common) }",
                "",
                *inlines,
                "",
                "active proctype opal() {",
                *indent(loop),
                "}",
                "",
            ]
        )

    def _variables(self) -> list[str]:
        out = [f"#define {n} {i}" for names in NAMES for i, n in enumerate(names.split())]
        out += [f"#define S_{name} {i}" for i, name in enumerate(self.statuses)]
        for side in SIDES:
            out += [f"#define {event_name(side, x)} {i}" for i, x in enumerate(self.labels[side], 1)]
            for m in self.of[side]:
                out += [f"#define {side}_{m.name}_{s.name} {i}" for i, s in enumerate(m.states)]
                out.append(f"byte {side}_{m.name} = {side}_{m.name}_{m.initial};")
            out += [f"byte {side}_{m}_{t};" for m, t in self.timers[side]]
            out += [f"byte {side}_{v} = {first};" for v, first in self.model.mine.items()]
            out += [f"byte {side}_open_{p};" for p in self.asks[side]]
            out += [f"byte {side}_txn;", f"bit {side}_has_heard, {side}_has_sent;"]
            out.append(f"chan {side}_events = [{QUEUE}] of {{ byte }};")
            out.append(f"chan to_{side} = [{self.model.capacity}] of {{ byte, byte, byte, byte, bit }};")
        out += [f"byte {v} = {first};" for v, first in self.model.ours.items()]
        out += [f"byte {name};" for name, _ in self._bounds]
        kinds = dict.fromkeys(kind for _, kind in self.sent)
        return [
            *(f"#define {kind} {i}" for i, kind in enumerate(kinds, 1)),
            *out,
            "byte e, stirs, kind, arg, out, status, tx;",
            "bit lane, answered, stirred, calm;",
        ]
