"""Packets of every message in tshark, as `python -m tests.differential.tshark --inputs N` has them by the hundred
thousand, and a dissector that errs."""

from pathlib import Path

import pytest

from opalink.protocol.generate.c.envelope import messages
from opalink.protocol.generate.lua import NAME, files
from opalink.protocol.ir.load import catalogue
from tests.differential import c as packets_for_c
from tests.differential.tshark import MISSING, TSHARK, differences, dissector, inputs, outcome, record

pytestmark = pytest.mark.skipif(TSHARK is None, reason=MISSING)
SENT = list(inputs(500, seed=7))
PACKETS = [data for _, _, data in SENT]


def test_inputs_are_sound_and_wrong_in_several_ways() -> None:
    outcomes = [outcome(data) for data in PACKETS]
    assert outcomes.count("accepted") > len(PACKETS) // 3
    assert {"crc", "short", "range"} <= set(outcomes)


def test_inputs_come_of_every_message_in_turn() -> None:
    made = packets_for_c.inputs(catalogue(), 7)
    first = list(dict.fromkeys(next(made)[0] for _ in PACKETS))
    assert first == [f"{m.packet.name}.{m.form}" for m in messages(catalogue())][: len(first)]


def test_tshark_says_of_packets_of_many_messages_what_our_codec_says(tmp_path: Path) -> None:
    record(tmp_path / "some.pcapng", SENT)
    assert list(differences(dissector(tmp_path), tmp_path / "some.pcapng", PACKETS)) == []


def test_a_dissector_that_forgets_signs_is_found_out(tmp_path: Path) -> None:
    text = files(catalogue())[NAME]
    broken = text.replace(b"signed = true", b"signed = false")
    assert broken != text
    record(tmp_path / "some.pcapng", SENT)
    assert next(differences(dissector(tmp_path, broken), tmp_path / "some.pcapng", PACKETS), "")
