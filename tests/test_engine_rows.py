"""Every row of the module's machines fires in some scenario, or stands in a list with the reason why it cannot.

The scenarios are in `tests.engine_rows`.

Plan: the list · the count.
"""

from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Expired, Local, Received, Role, Row
from tests.engine_phone import Phone
from tests.engine_rows import attach, camera, power, services
from tests.engine_rows.watched import SCENARIOS, Fired, Watched

# ── What cannot fire, and why ────────────────────────────────────────────────────────────────────────

CHAPTERS = (attach, power, camera, services)  # whose scenarios stand in SCENARIOS
_BELOW = "what lies below the packet plane trains, agrees on parameters and resynchronises"


def unreachable(machine: str, row: Row) -> str:
    """Why a row cannot fire in a reference module on the packet plane; empty if it can."""
    states = set(row.states)
    if machine == "LINK":
        training = {"TRAIN_CDR", "TRAIN_FEC", "NEGOTIATE"}
        if states <= training or row.next in training:
            return _BELOW
        event = row.event
        if isinstance(event, Received) and event.packet == "VC_RESYNC" and "RECOVERY" in states and row.next == "L0":
            return _BELOW
        if isinstance(event, Received) and event.packet == "LINK_PARAMS":
            return _BELOW
        if "gear_left" in row.guards:
            return _BELOW
        if isinstance(event, Received) and event.packet in ("RETRAIN_REQ", "LINK_PM") and event.form == "response":
            return "the module never asks for another gear or for sleep"
    if machine == "POWER" and row.event == Expired("tPwrTransition") and "SWAP" in states:
        return "the reference module's own supply is always there in time"
    if machine == "POWER" and "!cool" in row.guards:
        return "the one reference module that can supply the phone has no temperature sensors"
    if machine == "TIME" and row.event == Local("class_fell"):
        return "after a second without exchanges the drift of the reference's clock leaves the lowest class alone"
    return ""


# ── The count ────────────────────────────────────────────────────────────────────────────────────────


def test_every_row_of_the_modules_machines_fires() -> None:
    fired: Fired = set()

    def make(profile: str = "four-thirds", kind: type[Watched] = Watched) -> Watched:
        return kind(fired, profile)

    assert {play.__module__ for play in SCENARIOS} == {chapter.__name__ for chapter in CHAPTERS}
    for play in SCENARIOS:
        play(make)
    run_by_it = Phone("four-thirds").module.runs
    machines = {m.name: m for m in catalogue().machines if m.role is Role.MODULE and m.name in run_by_it}
    silent, excused = [], []
    for name, machine in machines.items():
        for i, row in enumerate(machine.rows):
            reason = unreachable(name, row)
            if (name, row) in fired:
                if reason:
                    excused.append(f"{name} {i} {_told(row)}: {reason}")
            elif not reason:
                silent.append(f"{name} {i} {_told(row)}")
    assert silent == []
    assert excused == []  # no reason stands for a row that does fire


def _told(row: Row) -> str:
    match row.event:
        case Received(packet=packet, form=form):
            event = f"{packet}.{form}"
        case Expired(timer=timer):
            event = timer
        case Local(name=name) | name:
            event = str(name)
    return f"{'/'.join(row.states)} on {event} when {row.guards} to {row.next}"
