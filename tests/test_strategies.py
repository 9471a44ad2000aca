"""The Hypothesis strategies: legal is accepted, at the limit is accepted, and a near miss is what it says it is.

Random schemas first, because they have every kind of part; then the real catalogue.
"""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opalink.protocol import near_misses, strategies
from opalink.protocol.errors import DecodeError, Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import write
from tests.differential import ours, reference
from tests.differential.agreement import load, plain
from tests.differential.dice import Dice
from tests.differential.random_schemas import Schema, random_schema
from tests.differential.reference import Refused

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
SCHEMAS = [random_schema(Dice.seeded(seed)) for seed in range(8)]


def decoded(module: Any, layout: ir.Layout, data: bytes) -> Any:
    return plain(module[f"decode_{layout.name}"](data, 0, len(data)))


# ── Layouts ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
@given(data=st.data())
@settings(parent=quick, max_examples=8)
def test_legal_values_come_back(schema: Schema, data: st.DataObject) -> None:
    module, c = load(schema.source), schema.catalogue
    for packet, form, body in schema.bodies():
        layout = c.layout[packet.forms[form]]
        for kind in (strategies.valid, strategies.boundary):
            value = data.draw(kind(c, layout.name))
            written = write(c, layout, value)
            assert decoded(module, layout, written) == value
            assert reference.read(body.schema, written) == value


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
@given(data=st.data())
@settings(parent=quick, max_examples=12)
def test_a_near_miss_is_what_it_says(schema: Schema, data: st.DataObject) -> None:
    module, c = load(schema.source), schema.catalogue
    for packet, form, body in schema.bodies():
        layout = c.layout[packet.forms[form]]
        miss = data.draw(near_misses.near_miss(c, layout))
        with pytest.raises(DecodeError) as caught:
            decoded(module, layout, miss.data)
        assert (caught.value.fault, caught.value.path) == (miss.fault, miss.path)
        expected = reference.read(body.schema, miss.data)
        assert isinstance(expected, Refused)
        assert (expected.fault, expected.path) == (miss.fault, miss.path)


@given(data=st.data(), fault=st.sampled_from([f for f in Fault if f is not Fault.CRC]))
@quick
def test_a_class_of_fault_can_be_asked_for(data: st.DataObject, fault: Fault) -> None:
    schema = data.draw(st.sampled_from(SCHEMAS))
    for packet, form, _ in schema.bodies():
        try:
            misses = near_misses.near_miss(schema.catalogue, packet.forms[form], fault)
        except ValueError as error:
            assert packet.forms[form] in str(error)  # noqa: PT017 (whether it is raised depends on the schema)
        else:
            assert data.draw(misses).fault is fault


def test_where_nothing_can_be_violated_it_says_so() -> None:
    with pytest.raises(ValueError, match="nothing in Refusal can be violated as crc"):
        near_misses.near_miss(catalogue(), "Refusal", Fault.CRC)


# ── The real catalogue ───────────────────────────────────────────────────────────────────────────────


@given(st.one_of(strategies.packets(catalogue()), strategies.packets(catalogue(), strategies.boundary)))
@settings(parent=quick, max_examples=120)
def test_packets_are_accepted_and_come_back(data: bytes) -> None:
    packet = ours.module()["decode_Packet"](data)
    assert ours.module()["encode_Packet"](packet) == data
    assert plain(packet) == ours.read_packet(data)


@given(near_misses.broken_packets(catalogue()))
@settings(parent=quick, max_examples=120)
def test_broken_packets_are_refused_as_they_say(miss: near_misses.NearMiss) -> None:
    with pytest.raises(DecodeError) as caught:
        ours.module()["decode_Packet"](miss.data)
    assert (caught.value.fault, caught.value.path) == (miss.fault, miss.path)
    expected = ours.read_packet(miss.data)
    assert isinstance(expected, Refused)
    assert (expected.fault, expected.path) == (miss.fault, miss.path)


@pytest.mark.parametrize("fault", [f for f in Fault if f is not Fault.CONST])
@given(data=st.data())
@settings(parent=quick, max_examples=20)
def test_packets_can_be_broken_in_every_way(fault: Fault, data: st.DataObject) -> None:
    assert data.draw(near_misses.broken_packets(catalogue(), fault)).fault is fault


# ── Without Hypothesis ───────────────────────────────────────────────────────────────────────────────


def test_without_hypothesis_it_says_what_is_missing() -> None:
    program = "import sys; sys.modules['hypothesis'] = None; import opalink.protocol.strategies"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: opalink.protocol.strategies needs Hypothesis: pip install 'opalink[pytest]'"
    )
