"""Model checking: the declared machines of both sides hold what is declared of them, and planted faults are found.

spin explores every state of every model, so these tests need spin and gcc (Debian: apt-get install spin gcc).

Plan: the abstraction · verdicts · planted faults · ladders · the command.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs

from opalink.protocol.generate.promela import files, text
from opalink.protocol.generate.promela.run import LIVELOCK, Verdict, ladder, missing, verify
from opalink.protocol.generate.promela.words import uncovered
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.model_commands import model as command
from opalink.spec.form import Action, Do, Expired, Form, Line, Local, Machine, Received, Row, Send, Start
from opalink.spec.model_form import Model
from opalink.spec.safety import MODELS

needs_spin = pytest.mark.skipif(
    bool(missing()), reason=f"{' and '.join(missing())} not installed (Debian: apt-get install spin gcc)"
)
BY_NAME = {m.name: m for m in MODELS}

# ── The abstraction ──────────────────────────────────────────────────────────────────────────────────


def test_every_machine_is_in_a_model_and_every_word_has_its_abstraction() -> None:
    assert uncovered(catalogue()) == []


def test_a_word_without_abstraction_is_named() -> None:
    c = changed(lambda m, r: structs.replace(r, guards=("unheard_of",)) if m.name == "POWER" else r)
    assert "POWER.module: guard unheard_of" in uncovered(c)
    assert any("no word of its rows" in line for line in uncovered(c))


def test_a_machine_in_no_model_is_named() -> None:
    extra = structs.replace(catalogue().machines[0], name="EXTRA")
    c = structs.replace(catalogue(), machines=(*catalogue().machines, extra))
    assert f"EXTRA.{extra.role} is in no model" in uncovered(c)


def test_generation_gives_the_same_bytes_twice() -> None:
    assert files(catalogue()) == files(ir.Catalogue.from_json(catalogue().to_json()))


def test_names_of_models_and_of_what_happens_in_them_are_unique() -> None:
    names = [m.name for m in MODELS]
    assert len(set(names)) == len(names)
    for m in MODELS:
        told = [(h.name, side) for h in m.world for side in h.sides or ("",)]
        assert len(set(told)) == len(told), m.name


# ── Verdicts ─────────────────────────────────────────────────────────────────────────────────────────


@needs_spin
@pytest.mark.parametrize("m", MODELS, ids=[m.name for m in MODELS])
def test_what_is_declared_of_a_model_holds(m: Model, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = verify(catalogue(), m)
    with capsys.disabled():
        print(f"\n{verdict.model}: {verdict.states:,} states, {verdict.transitions:,} transitions")  # noqa: T201
    assert verdict.broken == "", "\n".join(verdict.ladder[-80:])
    assert verdict.states > 100


# ── Planted faults ───────────────────────────────────────────────────────────────────────────────────

Change = Callable[[Machine, Row], Row | None]


def changed(change: Change) -> ir.Catalogue:
    """The catalogue with rows changed, or left out where the change is None; it must change something."""
    c = catalogue()
    machines = tuple(
        structs.replace(m, rows=tuple(new for r in m.rows if (new := change(m, r)) is not None)) for m in c.machines
    )
    assert machines != c.machines
    return structs.replace(c, machines=machines)


def where(name: str, role: str, test: Callable[[Row], bool], then: Callable[[Row], Row | None]) -> Change:
    return lambda m, r: then(r) if (m.name, m.role) == (name, role) and test(r) else r


def gone(_: Row) -> None:
    """The row is forgotten."""


def unguarded(guard: str) -> Callable[[Row], Row]:
    return lambda r: structs.replace(r, guards=tuple(g for g in r.guards if g != guard))


def without(*left_out: Action) -> Callable[[Row], Row]:
    return lambda r: structs.replace(r, actions=tuple(a for a in r.actions if a not in left_out))


def silent(packet: str) -> Callable[[Row], Row]:
    """The row no longer sends a packet."""
    return lambda r: structs.replace(
        r, actions=tuple(a for a in r.actions if not (isinstance(a, Send) and a.packet == packet))
    )


def leading(state: str) -> Callable[[Row], Row]:
    return lambda r: structs.replace(r, next=state)


def upon(event: object, state: str = "") -> Callable[[Row], bool]:
    return lambda r: r.event == event and (not state or state in r.states)


PROOF = "the laser is never at full power without an attach proof"
REMOVAL = "a removal ends in DETACHED"
GEARS = "sides that are both in L0 use the gears that they agreed on"
STOPS = "nothing stops outside the common state"
SENDER = Expired("tSenderResponse")

FAULTS: dict[str, tuple[str, Change, set[str]]] = {
    "light without proof": (
        "light",
        where("LINK", "module", lambda r: "attach_proven" in r.guards, unguarded("attach_proven")),
        {f"module: {PROOF}"},
    ),
    "light with the magnets open": (
        "light",
        where("LINK", "phone", upon(Line("interlock_open")), without(Do("laser_off"))),
        {f"phone: {PROOF}"},
    ),
    "no timer of the removal": (
        "attach",
        where("ATTACH", "phone", upon(Line("power_off")), without(Start("tDcDisconnect"))),
        {REMOVAL},
    ),
    "a removal that ends in FAULT": (
        "attach",
        where("ATTACH", "phone", upon(Expired("tDcDisconnect")), leading("FAULT")),
        {REMOVAL},
    ),
    "a removal that a module does not notice": (
        "attach",
        where("ATTACH", "module", upon(Line("power_off")), gone),
        {REMOVAL},
    ),
    "a module that has started again is taken for the old one": (
        "attach",
        where("ATTACH", "phone", upon(Received("BEACON", Form.EVENT)), gone),
        {STOPS, LIVELOCK},
    ),
    "HELLO is not repeated": (
        "attach",
        where("ATTACH", "phone", upon(Expired("tKeepAlive"), "HELLO"), gone),
        {STOPS, LIVELOCK},
    ),
    "a refused KEEPALIVE means nothing": (
        "attach-sideband",
        where("ATTACH", "phone", upon(Received("KEEPALIVE", Form.ERROR)), gone),
        {STOPS, LIVELOCK},
    ),
    "KEEPALIVE is answered by a module that was let go": (
        "attach-sideband",
        where(
            "ATTACH",
            "module",
            lambda r: upon(Received("KEEPALIVE", Form.REQUEST), "DETACHING")(r) and "in_session" in r.guards,
            unguarded("in_session"),
        ),
        {STOPS, LIVELOCK},
    ),
    "a session opens in the dark": (
        "attach-dark",
        where("ATTACH", "phone", upon(Received("KEEPALIVE", Form.ERROR)), gone),
        {STOPS, LIVELOCK},
    ),
    "a phone that waits for light beacons once": (
        "attach-light",
        where("ATTACH", "phone", upon(Expired("tLaserRestartInterval"), "TRAIN"), gone),
        {STOPS, LIVELOCK},
    ),
    "light that was lost is not missed": (
        "attach-light",
        where("LINK", "phone", upon(Expired("tLosToLaserOff")), gone),
        {f"phone: {PROOF}", STOPS, LIVELOCK},
    ),
    "a phone that forgets what the module's receiver has found": (
        "training",
        where(
            "LINK",
            "phone",
            lambda r: r.event == Expired("tTrain") and "gear_left" in r.guards,
            lambda r: structs.replace(r, actions=(Do("laser_on"), *r.actions)),
        ),
        {STOPS, LIVELOCK},
    ),
    "a training that never ends": (
        "training",
        where("LINK", "module", lambda r: r.event == Expired("tTrain") and "gear_left" not in r.guards, gone),
        {STOPS, LIVELOCK},
    ),
    "a gear that is not transmitted": (
        "training",
        where("LINK", "module", lambda r: Do("transmit_pattern") in r.actions, without(Do("transmit_pattern"))),
        {STOPS, LIVELOCK, GEARS},
    ),
    "parameters that only the phone takes": (
        "training",
        where("LINK", "module", lambda r: Do("apply_params") in r.actions, without(Do("apply_params"))),
        {STOPS, LIVELOCK, GEARS},
    ),
    "lost offers are not asked for": (
        "power",
        where("POWER", "module", upon(Expired("tSinkWaitCaps")), gone),
        {STOPS, LIVELOCK},
    ),
    "a contract is believed in after its answer was lost": (
        "power-sideband",
        where("POWER", "module", lambda r: Do("doubt") in r.actions, without(Do("doubt"))),
        {STOPS, LIVELOCK},
    ),
    "an update that ended in the dark goes unsaid": (
        "firmware",
        where("FIRMWARE", "module", lambda r: "unsaid" in r.guards, gone),
        {STOPS, LIVELOCK},
    ),
    "a session outlives its end at the source": (
        "power",
        where("POWER", "module", upon(Local("session_closed")), without(Do("drop_contract"))),
        {"the module draws no more than boot power without a contract", "the module never draws above its contract"},
    ),
    "power goes on in a fault": (
        "power",
        where("POWER", "module", upon(Local("power_fault")), without(Do("drop_contract"))),
        {"the module draws no more than boot power without a contract"},
    ),
    "the source drops a contract and the sink is not told": (
        "power",
        where(
            "POWER",
            "phone",
            upon(Local("supply_changed")),
            lambda r: structs.replace(r, actions=(Do("drop_contract"), *r.actions)),
        ),
        {"the module never draws above its contract"},
    ),
    "a supply that is never turned": (
        "power",
        where("POWER", "phone", lambda r: Do("set_supply") in r.actions, without(Do("set_supply"))),
        {STOPS, LIVELOCK},
    ),
    "streams go on as if the link had not been lost": (
        "capture",
        where("CAPTURE", "module", upon(Local("session_resumed")), gone),
        {STOPS, LIVELOCK},
    ),
    "a phone that moves before the module has agreed": (
        "capture",
        where("CAPTURE", "phone", upon(Local("want_control")), leading("STREAMING")),
        {STOPS, LIVELOCK},
    ),
    "a conclusion that is kept to oneself": (
        "auth",
        where("AUTH", "phone", lambda r: r.next == "MEASURED", silent("TRUST_POLICY")),
        {STOPS, LIVELOCK},
    ),
    "a bad image is written all the same": (
        "firmware",
        where(
            "FIRMWARE",
            "module",
            upon(Local("image_bad")),
            lambda r: structs.replace(r, actions=(Do("write_image"),), next="APPLY"),
        ),
        {"only an image that was checked is ever run"},
    ),
    "an update outlives its session": (
        "firmware",
        where("FIRMWARE", "phone", upon(Local("session_closed")), gone),
        {STOPS, LIVELOCK},
    ),
    "a frame that is never given up": (
        "frame",
        where("FRAME", "phone", upon(Local("session_closed")), gone),
        {STOPS, LIVELOCK},
    ),
    "the focus arrives unreported": (
        "focus",
        where("FOCUS", "module", upon(Local("arrived")), silent("FOCUS_STATE")),
        {STOPS, LIVELOCK},
    ),
    "time that is found unreported": (
        "time",
        where("TIME", "module", lambda r: r.next == "LOCKED", silent("TIME_STATUS")),
        {STOPS, LIVELOCK},
    ),
}


@needs_spin
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    name, change, properties = FAULTS[fault]
    verdict = verify(changed(change), BY_NAME[name])
    assert verdict.broken in properties, verdict.broken
    assert len(verdict.ladder) > 3


# ── Ladders ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_ladder_shows_the_packets_between_the_sides_and_where_the_machines_go() -> None:
    source = text(catalogue(), BY_NAME["attach"])
    told = ["WORLD world light is blocked", "TICK -", "TICK -", "SEND phone HELLO request 0", "LOST module 1",
            "ROW phone ATTACH 0 DETECT power_on", "SEND module HELLO error 0 1", "CALM -", "BROKEN x y"]  # fmt: skip
    lines = ladder(source, told)
    assert lines[0].split() == ["phone", "module"]
    assert lines[1].strip() == "* light is blocked *"
    assert lines[2].strip() == "(2 ticks)"
    assert lines[3] == "──── HELLO request [0] ───▶"
    assert lines[4].strip().endswith("is lost")
    assert lines[5] == "ATTACH: DETACHED → DETECT (power_on)"
    assert lines[6].strip() == "◀─── HELLO error BAD_STATE [0] ────"
    assert lines[-1] == "✗ x y"


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


@needs_spin
def test_the_command_says_states_and_verdict_and_writes_the_models(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["frame", "auth", "--json", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert [(x["model"], x["broken"]) for x in said] == [("frame", ""), ("auth", "")]
    assert all(x["states"] > 100 for x in said)
    assert {p.name for p in tmp_path.iterdir()} == {"frame.pml", "auth.pml"}


def test_the_command_refuses_a_name_that_it_does_not_know() -> None:
    done = CliRunner().invoke(command, ["lens"])
    assert done.exit_code == 2
    assert "'lens'" in done.output


def test_without_spin_nothing_is_judged_and_the_exit_code_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = CliRunner().invoke(command, ["frame"])
    assert done.exit_code == 5
    assert "apt-get install spin gcc" in done.output


def test_a_verdict_travels_as_json() -> None:
    assert Verdict("frame", 1, 2).ladder == ()
