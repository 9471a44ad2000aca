"""Rules for machines: every word is declared, every state can be reached, every request is answered."""

from collections.abc import Iterator

from opalink.protocol.check.rules import Found, duplicates, rule
from opalink.protocol.ir import model as ir
from opalink.spec.form import (
    Action,
    Answer,
    Do,
    Expired,
    Form,
    Line,
    Local,
    Machine,
    Received,
    Row,
    Send,
    Signal,
    Start,
    Stop,
)


def _where(m: Machine, row: Row | None = None) -> str:
    return f"{m.name}.{m.role}" + (f" {'/'.join(row.states)}" if row else "")


def _rows(c: ir.Catalogue) -> Iterator[tuple[Machine, Row]]:
    for m in c.machines:
        for row in m.rows:
            yield m, row


def _actions(c: ir.Catalogue) -> Iterator[tuple[Machine, Row, Action]]:
    for m, row in _rows(c):
        for action in row.actions:
            yield m, row, action


@rule("M01", "States are unique in a machine, and rows name states that exist.")
def _states(c: ir.Catalogue) -> Found:
    for twice in duplicates([(m.name, m.role) for m in c.machines]):
        yield str(twice), "stands twice"
    for m in c.machines:
        names = [s.name for s in m.states]
        for twice in duplicates(names):
            yield _where(m), f"state {twice} stands twice"
        for row in m.rows:
            for name in (*row.states, *([row.next] if row.next else [])):
                if name not in names:
                    yield _where(m, row), f"state {name} does not exist"


@rule("M02", "Packets that rows receive and send exist in that form, and travel in that direction.")
def _packets(c: ir.Catalogue) -> Found:
    for m, row in _rows(c):
        named = [x for x in (row.event, *row.actions) if isinstance(x, (Received, Send))]
        for x in named:
            p = c.packet.get(x.packet)
            if p is None or (Form.REQUEST if x.form is Form.ERROR else x.form) not in p.forms:
                yield _where(m, row), f"{x.packet} has no form {x.form}"
            elif p.sender in ("phone", "module"):
                mine = p.sender == m.role
                sent = isinstance(x, Send) == (x.form in (Form.REQUEST, Form.EVENT))
                if mine != sent:
                    yield _where(m, row), f"{x.packet} {x.form} travels the other way"


@rule("M03", "Guards, effects, lines and local events that rows use are declared, and all that is declared is used.")
def _vocabulary(c: ir.Catalogue) -> Found:
    for m in c.machines:
        used: dict[str, set[str]] = {"guards": set(), "effects": set(), "lines": set(), "locals": set()}
        for row in m.rows:
            used["guards"] |= {g.removeprefix("!") for g in row.guards}
            used["effects"] |= {a.effect for a in row.actions if isinstance(a, Do)}
            used["lines"] |= {row.event.name} if isinstance(row.event, Line) else set()
            used["locals"] |= {row.event.name} if isinstance(row.event, Local) else set()
            used["locals"] |= {a.name for a in row.actions if isinstance(a, Signal)}
        filled = {a.packet for row in m.rows for a in row.actions if isinstance(a, Send)}
        for table, names in used.items():
            declared = {t.name for t in getattr(m, table)}
            for name in sorted(names - declared):
                yield _where(m), f"{table[:-1]} {name} is not declared"
            for name in sorted(declared - names - (filled if table == "effects" else set())):
                yield _where(m), f"{table[:-1]} {name} is declared and never used"


@rule("M04", "Timers exist, and a timer that a row waits for is started by one.")
def _timers(c: ir.Catalogue) -> Found:
    for m in c.machines:
        started = {a.timer for row in m.rows for a in row.actions if isinstance(a, Start)}
        stopped = {a.timer for row in m.rows for a in row.actions if isinstance(a, Stop)}
        awaited = {row.event.timer for row in m.rows if isinstance(row.event, Expired)}
        for name in sorted((started | stopped | awaited) - c.timer.keys()):
            yield _where(m), f"timer {name} does not exist"
        for name in sorted(awaited - started):
            yield _where(m), f"waits for {name}, which it never starts"
        for name in sorted((started | stopped) - awaited):
            yield _where(m), f"starts or stops {name}, but never waits for it"


@rule("M05", "Every state can be reached from the first.")
def _reachable(c: ir.Catalogue) -> Found:
    for m in c.machines:
        reached = {m.initial}
        while more := {r.next for r in m.rows if r.next and reached & set(r.states)} - reached:
            reached |= more
        for s in m.states:
            if s.name not in reached:
                yield _where(m), f"state {s.name} cannot be reached"


@rule("M06", "A row that receives a request answers it once; no other row answers.")
def _answers(c: ir.Catalogue) -> Found:
    for m, row in _rows(c):
        n = sum(isinstance(a, Answer) for a in row.actions)
        if isinstance(row.event, Received) and row.event.form is Form.REQUEST:
            if n != 1:
                yield _where(m, row), f"answers {row.event.packet} {n} times"
        elif n:
            yield _where(m, row), "answers, but no request arrived"
    for m, row, action in _actions(c):
        if isinstance(action, Answer):
            listed = set(c.general)
            if isinstance(row.event, Received) and row.event.packet in c.packet:
                listed |= set(c.packet[row.event.packet].statuses)
            if action.status not in listed:
                yield _where(m, row), f"answers {action.status}, which the packet type does not list"


@rule("M07", "No row stands behind one that always fires first.")
def _shadowed(c: ir.Catalogue) -> Found:
    for m in c.machines:
        always: set[tuple[str, object]] = set()
        for row in m.rows:
            for state in row.states:
                if (state, row.event) in always:
                    yield _where(m, row), f"can never fire in {state}: a row without guards stands before it"
                if not row.guards:
                    always.add((state, row.event))


@rule("M08", "A signal is raised for someone: some machine has a row for it.")
def _signals(c: ir.Catalogue) -> Found:
    heard = {row.event.name for _, row in _rows(c) if isinstance(row.event, Local)}
    for m, row, action in _actions(c):
        if isinstance(action, Signal) and action.name not in heard:
            yield _where(m, row), f"nobody hears the signal {action.name}"


@rule("M09", "The packets that a state allows exist.")
def _allowed(c: ir.Catalogue) -> Found:
    for m in c.machines:
        for s in m.states:
            for name in sorted(set(s.allows) - c.packet.keys()):
                yield f"{_where(m)}.{s.name}", f"allows {name}, which does not exist"


@rule("M17", "A line or a local event of one name is told alike by every machine that hears it.")
def _alike(c: ir.Catalogue) -> Found:
    told: dict[str, tuple[Machine, str]] = {}
    for m in c.machines:
        for term in (*m.lines, *m.locals):
            first, doc = told.setdefault(term.name, (m, term.doc))
            if term.doc != doc and first.name != m.name:
                yield _where(m), f"{term.name} is something else in {_where(first)}"
