"""A packet is declared once: fifteen lines in its chapter and `generate all`, and everything knows it.

The test does this in a copy of the checkout, and asks every part about the new packet in a process of its own.

Plan: the declaration · the copy · the parts.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from opalink.protocol.ir.load import catalogue
from tests.checkout import ROOT, declared, opalink, run

# ── The declaration ──────────────────────────────────────────────────────────────────────────────────

CODE = next(code for code in range(0x80, 0x100) if code not in catalogue().by_code)
DECLARATION = f"""
LampMode: Final = enum("LampMode", "How a lamp shines.", STEADY=(0, "All the time."), PULSED=(1, "In pulses."))

LAMP_SET: Final = GROUP.packet(
    {CODE}, "LAMP_SET", "Sets the focusing lamp.", sender=Role.PHONE, needs=("CONTROLS",),
    request=body(
        f("mode", u8, "How it shines.", choices=LampMode),
        f("power", u16, "Electrical power.", unit="mW", hi=500),
        f("duration", u32, "How long.", unit="ms", lo=1),
        f("delay", u16, "From when on.", unit="ms"),
        bits("flags", rsvd("spare", 7), f("red", 1, "1 for red light.")),
    ),
    response=body(f("power", u16, "Power that was set.", unit="mW")),
)
"""
CHAPTER = "lens"

# ── The copy ─────────────────────────────────────────────────────────────────────────────────────────


def declare(spec: Path) -> None:
    chapter = spec / f"{CHAPTER}.py"
    chapter.write_text(chapter.read_text() + DECLARATION)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which the packet is declared, and everything derived from it."""
    return declared(tmp_path_factory.mktemp("checkout"), declare)


# ── The parts ────────────────────────────────────────────────────────────────────────────────────────

QUESTIONS = """
import json, struct
from hypothesis import Phase, find, settings
from opalink.conformance.generated import generated
from opalink.protocol import codec, packets, strategies, text
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Role

QUICK = settings(phases=[Phase.generate], max_examples=10_000, database=None, deadline=None)
by_hand = struct.pack("<BHIHB", 1, 250, 1000, 20, 1)
data = codec.encode(codec.Packet(type=CODE, vc=3, txn=9, body=by_hand))
decoded = codec.decode(data)
refused = None
try:
    codec.decode(codec.encode(codec.Packet(type=CODE, vc=3, txn=9, body=by_hand[:3] + bytes(7))))
except codec.DecodeError as error:
    refused = [error.fault, error.path]
found = find(strategies.packets(catalogue()), lambda d: d[1] == CODE, settings=QUICK)
print(json.dumps({
    "place": packets.__file__,
    "json": text.to_json(decoded),
    "class": type(decoded.body).__name__,
    "refused": refused,
    "same": codec.encode(codec.request(packets.LampSet(1, 250, 1000, 20, red=1), txn=9)) == data,
    "strategies": codec.decode(found).type,
    "purposes": [p.id for p in generated(Role.MODULE) if "LAMP_SET" in p.id],
    "proven": [r for p in generated(Role.MODULE) if "LAMP_SET" in p.id for r in p.requirements],
}))
"""


@pytest.fixture(scope="module")
def answers(checkout: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(checkout, "-c", QUESTIONS.replace("CODE", str(CODE))))
    return found


@pytest.fixture(scope="module")
def export(checkout: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((checkout / "protocol" / "exports" / "opal.json").read_bytes())
    return found


def test_the_declaration_is_short() -> None:
    assert len([line for line in DECLARATION.splitlines() if line]) <= 15


def test_the_copy_was_asked(checkout: Path, answers: dict[str, Any]) -> None:
    assert Path(answers["place"]).is_relative_to(checkout)


def test_the_codec_reads_and_writes_it(answers: dict[str, Any]) -> None:
    assert answers["class"] == "LampSet"
    assert answers["same"]
    assert answers["json"]["body"] == {
        "mode": "PULSED", "power": 250, "duration": 1000, "delay": 20, "spare": 0, "red": 1, "extensions": [],
    }  # fmt: skip
    assert answers["refused"] == ["range", "LAMP_SET.request.duration"]


def test_it_has_vectors(checkout: Path) -> None:
    file = json.loads((checkout / "protocol" / "exports" / f"vectors-{CHAPTER}.json").read_bytes())
    names = {v["name"] for v in file["vectors"]}
    assert {"LAMP_SET.request.default", "LAMP_SET.request.mode.member_PULSED", "LAMP_SET.response.power.max"} <= names
    assert {"LAMP_SET.request.power.above", "LAMP_SET.request.duration.below", "LAMP_SET.error.default"} <= names


def test_strategies_make_it(answers: dict[str, Any]) -> None:
    assert answers["strategies"] == CODE


def test_its_requirements_have_ids(checkout: Path, export: dict[str, Any]) -> None:
    made = {r["key"]: r["id"] for r in export["requirements"] if r.get("key", "").startswith("LAMP_SET.")}
    expected = {"answer", "absent", "request.short", "request.tlvs", "request.spare.reserved"}
    expected |= {f"request.{x}" for x in ("mode.member", "power.range", "duration.range")}
    expected |= {f"request.{x}.sent" for x in ("mode.member", "power.range", "duration.range")}
    assert made.keys() == {f"LAMP_SET.{key}" for key in expected}
    before = (ROOT / "spec" / "requirements.lock").read_text()
    after = (checkout / "spec" / "requirements.lock").read_text()
    assert after.startswith(before)
    assert all(f'"id":"{i}"' in after.removeprefix(before) for i in made.values())


def test_conformance_tests_it(answers: dict[str, Any], export: dict[str, Any]) -> None:
    known = {r["id"]: r for r in export["requirements"]}
    about = {i for i, r in known.items() if r.get("packet") == "LAMP_SET" and r["test"] == "active"}
    assert answers["purposes"]
    assert about <= set(answers["proven"])


def test_the_catalogue_shows_it(checkout: Path) -> None:
    listed = {p["name"]: p for p in json.loads(opalink(checkout, "spec", "list", "--json"))}
    assert listed["LAMP_SET"]["code"] == CODE
    assert [f["name"] for f in listed["LAMP_SET"]["fields"]][:4] == ["mode", "power", "duration", "delay"]
    assert "250 mW" in opalink(checkout, "decode", opalink(checkout, "encode", "LAMP_SET", "power=250").strip())
    assert "LAMP_SET" in (checkout / "docs" / "_generated" / "protocol.svg").read_text()


def test_the_copy_is_in_order(checkout: Path) -> None:
    assert json.loads(opalink(checkout, "spec", "check", "--json"))["errors"] == []
    assert " 0 stale." in opalink(checkout, "generate", "all", "--check")


def test_it_is_a_compatible_extension(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_bytes(catalogue().to_json())
    told = json.loads(opalink(checkout, "spec", "diff", str(old), "--json"))
    breaking = [c for c in told["changes"] if c["impact"] == "breaking"]
    assert breaking == []
    assert {"impact": "compatible", "where": "packet LAMP_SET", "what": "is new"} in told["changes"]
