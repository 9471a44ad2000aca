"""OPAL through the real kaitai-struct-compiler: what its Python reads is what our codec reads.

Plan: the compiled catalogue · vectors · the other types · the page · other languages · random schemas · planted
mistakes.
"""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from opalink.protocol import codec
from opalink.protocol.generate import ksy
from opalink.protocol.generate.c import of_profile
from opalink.protocol.generate.ksy import run as ksy_run
from opalink.protocol.generate.vectors import Vector, jsonable, vectors
from opalink.protocol.ir.load import catalogue
from tests.differential.agreement import BodyCase, Case
from tests.differential.dice import Dice
from tests.differential.kaitai import differences, said
from tests.differential.random_schemas import random_schema
from tests.differential.reference import Refused
from tests.differential.trial import cases

ROOT = Path(__file__).resolve().parent.parent
LACKING = ksy_run.missing()
needs_compiler = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")
pytestmark = needs_compiler


class File(msgspec.Struct):
    chapter: str
    vectors: list[Vector]


EXPORTS = files("opalink.protocol.exports")
FILES = [
    msgspec.json.decode(path.read_bytes(), type=File)
    for path in sorted(EXPORTS.iterdir(), key=lambda path: path.name)
    if path.name.startswith("vectors-")
]
of_each_file = pytest.mark.parametrize("file", FILES, ids=[file.chapter for file in FILES])
REFUSALS = ksy_run.refusals() if not LACKING else ()

# ── The compiled catalogue ───────────────────────────────────────────────────────────────────────────


@cache
def shipped() -> ksy_run.Reading:
    """The file that users get, compiled."""
    (source,) = ksy_run.compiled((EXPORTS / ksy.FILE).read_text(encoding="utf-8"))
    return ksy_run.Reading(catalogue(), source)


# ── Vectors ──────────────────────────────────────────────────────────────────────────────────────────


@of_each_file
def test_positive_vectors_are_read_as_our_codec_reads_them(file: File) -> None:
    for v in file.vectors:
        if v.error is None:
            data = bytes.fromhex(v.hex)
            found = shipped().packet(data)
            assert jsonable(found["body"]) == v.value, v.name
            assert found == codec.plain(codec.decode(data)), v.name


@of_each_file
def test_negative_vectors_are_refused_unless_nothing_but_the_crc_is_wrong(file: File) -> None:
    for v in file.vectors:
        if v.error is not None:
            data = bytes.fromhex(v.hex)
            try:
                codec.decode(data, crc=False)
            except codec.DecodeError:
                assert said(lambda data=data: shipped().packet(data)) is None, v.name  # type: ignore[misc]
            else:
                assert shipped().packet(data) == codec.plain(codec.decode(data, crc=False)), v.name


# ── The other types ──────────────────────────────────────────────────────────────────────────────────


def test_a_flit_a_sideband_record_and_a_bench_record_are_read_by_name() -> None:
    packet = codec.encode(codec.Packet(type=0xEE, body=b"abc"))
    flit = codec.Flit(seq=513, ack=3, kind=2, epoch=1, vc=5, severity=6, corrected=9, credit_cum=77, first_off=624)
    for name, value, data in (
        ("FLIT", flit, codec.encode_flit(flit)),
        ("SIDEBAND", codec.Sideband(payload=packet), codec.encode_sideband(codec.Sideband(payload=packet))),
        ("RECORD", record := codec.Record(kind=0, lane=1, time=2, payload=packet), codec.encode_record(record)),
    ):
        fields, payload, left = shipped().envelope(name, data)
        assert (fields | {"payload": payload}, left) == (codec.plain(value), 0)


def test_a_body_is_read_by_the_name_of_its_layout() -> None:
    value = codec.decode_layout("Refusal", b"\x02\0\x03\0\0\0")
    assert shipped().layout("Refusal", codec.encode_layout("Refusal", value)) == codec.plain(value)


def test_a_flag_is_an_instance_of_its_type() -> None:
    text = (EXPORTS / ksy.FILE).read_text(encoding="utf-8")
    flags = {n.name for n in ksy.all_numbers(catalogue()) if n.flags}
    assert flags
    for name in flags:
        assert re.search(rf"^ +{name}_\w+:\n +value: \"\({name} >> \d+ & 1\) == 1\"$", text, re.MULTILINE), name


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_of_what_it_cannot_say_is_fresh() -> None:
    made = ksy_run.page(ksy_run.tallies(catalogue(), shipped()))
    assert (ROOT / "docs" / "kaitai.md").read_text(encoding="utf-8") == made


# ── Other languages ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["java", "cpp_stl"])
def test_the_file_compiles_for_other_languages(language: str) -> None:
    (source,) = ksy_run.compiled((EXPORTS / ksy.FILE).read_text(encoding="utf-8"), language=language)
    assert re.search("pwr_?request", source, re.IGNORECASE)


# ── Random schemas ───────────────────────────────────────────────────────────────────────────────────

SEEDS = 25


@cache
def pool() -> list[tuple[str, list[Case], ksy_run.Reading]]:
    """Random schemas, the inputs that were thought of for each, and the schema as compiled."""
    tried = []
    for seed in range(SEEDS):
        dice = Dice.seeded(seed)
        schema = random_schema(dice)
        tried.append((schema, list(cases(dice, schema, 2))))
    sources = ksy_run.compiled(*(ksy.text(schema.catalogue) for schema, _ in tried))
    return [
        (schema.text, found, ksy_run.Reading(schema.catalogue, source))
        for (schema, found), source in zip(tried, sources, strict=True)
    ]


def test_whatever_can_be_declared_the_readings_agree() -> None:
    for text, found, reads in pool():
        assert next(differences(iter(found), reads), None) is None, text


def test_the_inputs_are_both_accepted_and_refused() -> None:
    expected = [case.expected for _, found, _ in pool() for case in found if isinstance(case, BodyCase)]
    refused = sum(isinstance(x, Refused) for x in expected)
    assert 100 < refused < len(expected) - 100


# ── Planted mistakes ─────────────────────────────────────────────────────────────────────────────────

MUTANTS: dict[str, tuple[str, str]] = {
    "big-endian": ("\n  endian: le", "\n  endian: be"),
    "bits from the other end": ("\n  bit-endian: le", "\n  bit-endian: be"),
    "unsigned": (r"type: s([1248])\b", r"type: u\1"),
    "any number": (r"valid: \{m(in|ax): .*\}", "-was: 0"),
    "no bounds of raw data": (r"valid: \{expr: \"_.length >= .*?\}", "-was: 0"),
    "any constant": (r"valid: \d+$", "-was: 0"),
    "what is left over": (r"valid: \{expr: \"_.length == 0\"\}", "-was: 0"),
    "one row for all": (r"repeat-expr: \w+", "repeat-expr: 1"),
    "errors as responses": (r"form::response : form::error", "form::response : form::response"),
    "events as requests": (r"form::event : form::request", "form::request : form::request"),
}


SMALLER = of_profile(catalogue(), "macro-tube")  # which compiles sooner


@cache
def mutants() -> dict[str, ksy_run.Reading]:
    text = ksy.text(SMALLER)
    changed = {name: re.sub(*change, text, flags=re.MULTILINE) for name, change in MUTANTS.items()}
    assert text not in changed.values()
    changed["none"] = text
    sources = ksy_run.compiled(*changed.values())
    return {name: ksy_run.Reading(SMALLER, s) for name, s in zip(changed, sources, strict=True)}


def dies(name: str) -> bool:
    """Whether some vector of the smaller catalogue is read otherwise than it should be; CRCs apart."""
    for group in SMALLER.groups:
        for v in vectors(SMALLER, group.name):
            data = bytes.fromhex(v.hex)
            try:
                got = said(lambda data=data: jsonable(mutants()[name].packet(data)["body"]))  # type: ignore[misc]
            except (AttributeError, TypeError):
                return True  # it reads something that is no packet of ours
            if got != (v.value if v.error is None else None) and v.name != "PACKET.crc_flipped":
                return True
    return False


def test_without_a_mistake_it_lives() -> None:
    assert not dies("none")


@pytest.mark.parametrize("name", list(MUTANTS))
def test_every_mutant_dies(name: str) -> None:
    assert dies(name)
