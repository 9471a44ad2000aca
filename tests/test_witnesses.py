"""Witnesses that follow from the catalogue: whatever a packet may not say has a module that says it, and is failed.
`opalink selfcheck --part mutants` tries every one of them, not a sample.

Plan: the registry · what one does to a packet · trials.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.conformance.selfcheck import measure as selfcheck
from opalink.conformance.selfcheck.measure import Depth, Fate, try_mutant
from opalink.conformance.selfcheck.mutants import Mutant, mutants
from opalink.conformance.selfcheck.mutants_packets import Check, say
from opalink.protocol import codec
from opalink.protocol.codec import DecodeError
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import maximum
from opalink.protocol.ir.write import write_packet
from opalink.spec.form import Form

SENT = {m.id: m for m in mutants().values() if m.operator == "check.sent"}
COMMANDS = ("self_test", "motor_home")  # the phone's alone to send
SAMPLE = (
    "check.sent.COUNTERS_GET.response.counters.id.member",
    "check.sent.DESC_READ.response.data.cap",
    "check.sent.PROP_DESC.response.described.step.range",
    "check.sent.PROP_GET.response.properties.gain.value.range",
    "check.sent.PWR_SOURCE_CAPS.event.offers.min.range",
)

# ── The registry ─────────────────────────────────────────────────────────────────────────────────────


def test_whatever_a_module_may_not_send_has_one_that_sends_it() -> None:
    known = catalogue()
    sent = {r for r in selfcheck.testable() if known.requirement[r].key.endswith(".sent")}
    due = {r for r in sent if known.requirement[r].key.split(".")[1] not in COMMANDS}
    assert len(due) > 150
    assert due - {r for m in SENT.values() for r in m.requirements} == set()


# ── What one does to a packet ────────────────────────────────────────────────────────────────────────


def _whole(check: Check) -> bytes:
    """A packet with something in every list."""
    known = catalogue()
    packet = known.by_code[check.code]
    layout = known.layout[packet.forms[check.form]]
    return write_packet(known, packet, check.form, maximum(known, layout, 1000))


@given(st.sampled_from([m for m in SENT.values() if m.check and m.check.form is not Form.ERROR]))
@settings(max_examples=150, deadline=None)
def test_what_it_says_is_wrong_in_that_place_alone(mutant: Mutant) -> None:
    check = mutant.check
    assert check is not None
    data = _whole(check)
    said = say(check, data)
    fault, field = _wrong(said)
    assert fault == check.what
    assert field in (check.field.rpartition(".")[2], "value", "")
    assert data != said


def _wrong(data: bytes) -> tuple[str, str]:
    """What is wrong with a packet, and in which field; of a member that no enumeration has, a decoder says nothing."""
    try:
        codec.decode(data)
    except DecodeError as error:
        return str(error.fault), error.path.rpartition(".")[2].partition("[")[0]
    return "member", ""


@given(st.sampled_from(list(SENT.values())), st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_what_is_no_packet_stays_as_it_is(mutant: Mutant, data: bytes) -> None:
    assert mutant.check is not None
    assert say(mutant.check, data) == data


# ── Trials ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("id_", SAMPLE)
def test_it_is_charged_with_that_very_requirement(id_: str) -> None:
    found = try_mutant(SENT[id_], Depth.CHAPTER)
    assert found.fate is Fate.KILLED, found
    assert set(found.charged) & set(SENT[id_].requirements), found
