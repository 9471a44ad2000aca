"""What tests cite: a verdict is only as good as the sentence that it is about.

Plan: refusals · the header.
"""

import re

from opalink.conformance.generated import generated
from opalink.conformance.purposes import Class, Exchange
from opalink.conformance.scenarios import scenarios
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import MS, Form, Role

PURPOSES = (*scenarios(Role.MODULE), *generated(Role.MODULE))
PERMISSIVE = {"R-WIRE-020", "R-WIRE-022"}  # they forbid some answers and demand none


def test_where_ok_is_the_fault_the_test_cites_what_the_answer_must_be() -> None:
    refused = [p for p in PURPOSES if p.class_ in (Class.BI, Class.BO, Class.NP)]
    assert len(refused) > 1000
    assert [p.id for p in refused if not set(p.requirements) - PERMISSIVE] == []


def test_in_a_wrong_state_a_request_cites_bad_state_and_an_event_that_nothing_answers_it() -> None:
    cited = {form: list[tuple[str, ...]]() for form in (Form.REQUEST, Form.EVENT)}
    for p in generated(Role.MODULE):
        if p.class_ is Class.BO and isinstance(p.run, Exchange):
            cited[p.run.form].append(p.requirements)
    assert len(cited[Form.REQUEST]) > 100
    assert len(cited[Form.EVENT]) > 100
    assert {form: {*found} for form, found in cited.items()} == {
        Form.REQUEST: {("R-WIRE-027",)},
        Form.EVENT: {("R-WIRE-003", "R-LNK-014")},
    }
    assert "BAD_STATE" in catalogue().requirement["R-WIRE-027"].text
    assert "MUST NOT answer an event" in catalogue().requirement["R-WIRE-003"].text
    assert "BAD_STATE" in catalogue().requirement["R-LNK-014"].text


def test_every_timed_test_cites_a_requirement_that_names_its_timer() -> None:
    named = [p for p in scenarios(Role.MODULE) if p.class_ is Class.TI]
    for timer in ("tHello", "tDescRead", "tTimeSync", "tKeepAlive"):
        about = [p for p in named if f" {timer}" in p.sentence]
        assert about, timer
        texts = [catalogue().requirement[r].text for p in about for r in p.requirements]
        assert any(timer in text for text in texts), timer


def test_a_limit_that_no_host_can_measure_is_judged_in_virtual_time_alone() -> None:
    """A scheduler and an interpreter may take a millisecond at any time, and so may the bench's own FLIT layer."""
    short = {t.name for t in catalogue().timers if (t.max or MS) < MS}
    assert "tFlitAck" in short
    timed = [
        p for p in scenarios(Role.MODULE) if p.class_ is Class.TI and short & {*re.findall(r"\bt[A-Z]\w+", p.sentence)}
    ]
    exact = [p for p in PURPOSES if p.class_ is Class.TI and "R-FLT-018" in p.requirements]
    assert exact
    assert [p.id for p in (*timed, *exact) if not p.virtual] == []
