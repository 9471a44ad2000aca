"""A field is declared once: one line in its chapter and `generate all`, and everything has it.

One copy of the checkout, in which PWR_RESET has one field more; each part of it is asked about the field.

Plan: the line · the copy · codecs · what is read with · what is tested with.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from opalink.protocol.generate.ksy import run as ksy
from tests.checkout import declared, opalink, run

# ── The line ─────────────────────────────────────────────────────────────────────────────────────────

BEFORE = 'f("off_time"'
LINE = 'f("gentleness", u16, "How slowly the supply goes down.", unit="ms", hi=500, since="1.1"),\n        '


def declare(spec: Path) -> None:
    (chapter,) = (p for p in spec.rglob("*.py") if BEFORE in p.read_text())
    text = chapter.read_text()
    assert text.count(BEFORE) == 1
    chapter.write_text(text.replace(BEFORE, LINE + BEFORE))


# ── The copy ─────────────────────────────────────────────────────────────────────────────────────────

QUESTIONS = """
import json
import opalink.protocol.scapy as layers
from opalink.conformance.generated import generated
from opalink.fuzz.case import Send
from opalink.fuzz.mutator import Mutator
from opalink.protocol import codec, packets
from opalink.spec.form import Role

def refusal(data):
    try:
        codec.decode(data)
    except codec.DecodeError as error:
        return [error.fault, error.path]

body = layers.PwrReset(level="HARD", gentleness=250, off_time=30)
good = codec.encode(codec.event(packets.PwrReset(level=1, gentleness=250, off_time=30)))
bad = bytes(layers.OpalPacket() / layers.PwrReset(gentleness=501))
purposes = [p for p in generated(Role.MODULE) if ".gentleness." in p.id]
sent = [s for case in Mutator(1).bounded() for s in case.steps if isinstance(s, Send) and s.packet == "PWR_RESET"]
print(json.dumps({
    "places": [x.__file__ for x in (layers, packets, codec)],
    "good": good.hex(), "bad": bad.hex(), "refused": refusal(bad), "decoded": codec.decode(good).body.gentleness,
    "layer": bytes(layers.OpalPacket() / body).hex(),
    "shown": body.show(dump=True),
    "dissected": layers.OpalPacket(good).gentleness,
    "fault": str(layers.OpalPacket(bad).fault),
    "purposes": [p.id for p in purposes], "proven": sorted({r for p in purposes for r in p.requirements}),
    "mutated": sorted({s.value["gentleness"] for s in sent if "gentleness" in s.value}),
}))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return declared(tmp_path_factory.mktemp("checkout"), declare)


@pytest.fixture(scope="module")
def answers(checkout: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(checkout, "-c", QUESTIONS))
    assert all(Path(place).is_relative_to(checkout) for place in found["places"])
    return found


def generated(checkout: Path, *place: str) -> str:
    return checkout.joinpath("protocol", *place).read_text()


# ── Codecs ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_python_codec_reads_and_writes_it_and_knows_its_bounds(answers: dict[str, Any]) -> None:
    assert answers["decoded"] == 250
    assert (250).to_bytes(2, "little").hex() in answers["good"]
    assert answers["refused"] == ["range", "PWR_RESET.event.gentleness"]


def test_the_c_codec_has_it_with_its_unit_and_its_bounds(checkout: Path) -> None:
    (struct,) = re.findall(r"\{([^{}]*)\} opal_PwrReset;", generated(checkout, "c99", "opal.h"))
    assert re.search(r"/\*[^/]*in ms, 0 to 500[^/]*\*/\s*uint16_t gentleness;\s.*uint16_t off_time;", struct, re.DOTALL)
    source = generated(checkout, "c99", "opal.c")
    assert "v->gentleness = " in source
    assert "v->gentleness > 500u" in source


def test_the_layer_of_scapy_has_it_with_its_unit_and_its_bounds(answers: dict[str, Any]) -> None:
    assert answers["layer"] == answers["good"]
    assert re.search(r"gentleness= 250 ms\n +off_time *= 30 ms", answers["shown"])
    assert answers["dissected"] == 250
    assert "PWR_RESET.event.gentleness" in answers["fault"]
    assert "is 501, must be 0 to 500" in answers["fault"]


# ── What is read with ────────────────────────────────────────────────────────────────────────────────


def test_the_dissector_for_wireshark_has_it(checkout: Path) -> None:
    (line,) = (x for x in generated(checkout, "wireshark", "opal.lua").splitlines() if '"gentleness"' in x)
    assert "hi = 500" in line


def test_the_file_for_kaitai_struct_has_it(checkout: Path) -> None:
    element = re.compile(r"- id: gentleness\n +type: u2\n +valid: \{max: 500\}\n +-unit: \"ms\"")
    assert element.search(generated(checkout, "exports", "opal.ksy"))


@pytest.mark.skipif(bool(ksy.missing()), reason=f"not installed: {', '.join(ksy.missing())}")
def test_a_reader_that_kaitai_struct_makes_has_it(checkout: Path, answers: dict[str, Any]) -> None:
    space: dict[str, Any] = {}
    exec(compile(*ksy.compiled(generated(checkout, "exports", "opal.ksy")), "opal", "exec"), space)  # noqa: S102
    assert space["Opal"].from_bytes(bytes.fromhex(answers["good"])).packet.payload.body.gentleness == 250
    with pytest.raises(ksy.refusals()):
        space["Opal"].from_bytes(bytes.fromhex(answers["bad"]))


def test_the_document_has_it(checkout: Path, tmp_path: Path) -> None:
    opalink(checkout, "generate", "docs", str(tmp_path))
    page = (tmp_path / "messages" / "PWR_RESET.md").read_text()
    assert re.search(r"\| u16 \| `gentleness` \| 0 to 500 ms \| How slowly the supply goes down\. \|", page)


# ── What is tested with ──────────────────────────────────────────────────────────────────────────────


def test_it_has_vectors(checkout: Path) -> None:
    file = json.loads(generated(checkout, "exports", "vectors-power.json"))
    found = {v["name"]: v for v in file["vectors"]}
    assert found["PWR_RESET.event.gentleness.max"]["value"]["gentleness"] == 500
    assert found["PWR_RESET.event.gentleness.above"]["error"] == {
        "fault": "range",
        "path": "PWR_RESET.event.gentleness",
    }


def test_conformance_has_cases_for_it_and_a_monitor_its_requirement(checkout: Path, answers: dict[str, Any]) -> None:
    names = {i.removeprefix("MOD/PWR/PWR_RESET/") for i in answers["purposes"]}
    assert {"BI-g.event.gentleness.cut", "BI-g.event.gentleness.above"} <= names
    assert answers["proven"]
    export = json.loads(generated(checkout, "exports", "opal.json"))
    (own,) = (r for r in export["requirements"] if r.get("key") == "PWR_RESET.event.gentleness.range.sent")
    assert own["test"] == "passive"


def test_the_fuzzer_tries_its_bounds(answers: dict[str, Any]) -> None:
    assert {0, 500, 501} <= set(answers["mutated"])
