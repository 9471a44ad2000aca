"""A machine as text: every row of every machine is there, in order, and says all that it does.

Plan: text · the command.
"""

import json
import re

import pytest
from click.testing import CliRunner

from opalink.protocol.ir.load import catalogue
from opalink.protocol.machine_table import text
from opalink.protocol.spec_commands import spec
from opalink.spec.form import Do, Machine, Send

MACHINES = {f"{m.name}.{m.role}": m for m in catalogue().machines}

# ── Text ─────────────────────────────────────────────────────────────────────────────────────────────


def rows_of(machine: Machine) -> str:
    """The part of the text with the rows, its lines joined."""
    shown = text(machine).split("rows, tried in this order:\n")[1].split("\n\n")[0]
    return re.sub(r"\s+", " ", shown)


@pytest.mark.parametrize("name", MACHINES)
def test_every_word_of_every_row_is_shown(name: str) -> None:
    machine, shown = MACHINES[name], text(MACHINES[name])
    rows = rows_of(machine)
    for row in machine.rows:
        for word in (*row.req, *row.needs, *(g.removeprefix("!") for g in row.guards)):
            assert word in rows
        for action in row.actions:
            match action:
                case Send(packet=packet, form=form, reasons=reasons):
                    assert packet in rows
                    assert form in rows
                    assert set(reasons) <= set(re.findall(r"\w+", rows))
                case Do(effect=effect):
                    assert effect in rows
    for term in (*machine.states, *machine.guards, *machine.effects, *machine.lines, *machine.locals):
        assert f"  {term.name} " in shown


@pytest.mark.parametrize("name", MACHINES)
def test_there_is_a_line_for_every_row_and_a_heading_for_its_states(name: str) -> None:
    machine = MACHINES[name]
    lines = text(machine).split("rows, tried in this order:\n")[1].split("\n\n")[0].splitlines()
    starts = [line for line in lines if re.match(r"  \S", line)]
    assert len(starts) >= len(machine.rows) + 2  # and the heads, and the rule under them; long events are folded
    assert all(line == line.rstrip() for line in lines)


def test_a_row_reads_from_event_to_state() -> None:
    rows = rows_of(MACHINES["POWER.module"])
    assert "OFF power_on BOOT R-PWR-016" in rows
    folded = "told_to_wait and no_contract fall_back; start tRequestAfterWait; CAPS_SEEN R-PWR-021 lengthen_wait"
    assert folded in rows  # cell by cell, a line at a time
    assert "start tPwrTransition for its max TRANSITION" in rows


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def test_the_command_shows_a_table_and_json_on_demand() -> None:
    plain = CliRunner().invoke(spec, ["show", "POWER.module"])
    assert plain.exit_code == 0
    assert plain.stdout.startswith("machine POWER.module, begins in OFF\n")
    given = CliRunner().invoke(spec, ["show", "POWER.module", "--json"])
    assert json.loads(given.stdout)["rows"][0]["next"] == "BOOT"


@pytest.mark.parametrize("name", ["PWR_REQUEST", "tHello", "R-PWR-016", "Offer"])
def test_whatever_is_shown_is_there_as_json(name: str) -> None:
    shown = CliRunner().invoke(spec, ["show", name, "--json"])
    assert shown.exit_code == 0
    assert name in json.loads(shown.stdout).values()
