"""Mistakes planted in what generators make, each of which has to be found: the export, the vectors, the pages of the
document, the picture, the models of the machines. Those of the other back ends stand beside the tests of these.

A mutant is a substitution in the generated text, made wherever it applies.

Plan: the mistakes · who finds them · every mutant dies.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from xml.etree import ElementTree as ET

import msgspec
import pytest

from opalink.protocol import codec
from opalink.protocol.generate.promela import run as spin
from opalink.protocol.generate.promela import text as promela_text
from opalink.protocol.generate.registry import BACKENDS
from opalink.protocol.generate.vectors import jsonable
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue, declared
from opalink.spec.form import Role
from opalink.spec.safety import MODELS
from tests import documented
from tests.test_vectors import File

# ── The mistakes ─────────────────────────────────────────────────────────────────────────────────────

MUTANTS: dict[str, dict[str, tuple[str, str]]] = {
    "json": {
        "a width": (r'"bits": 16\b', '"bits": 8'),
        "an offset in a word": (r'"shift": 3\b', '"shift": 4'),
        "no least values": (r'"lo": \d+', '"lo": 0'),
        "where a row leads": (r'"next": "READY_FULL"', '"next": "READY"'),
    },
    "vectors": {
        "another class of error": (r'"fault":"range"', '"fault":"cap"'),
        "a path without its form": (r'"path":"([A-Z_]+)\.\w+\.', r'"path":"\1.'),
        "CRCs that were not repaired": (r'..","error"', '00","error"'),
        "a number beside its bytes": (r'("value":\{"\w+":)(\d)', r"\g<1>1\2"),
        "an error without its offence": (r'("name":"[\w.]+\.)above(","hex":"\w{32})\w+"', r'\1above\2"'),
    },
    "docs": {
        "a field is lost": (r"(?<=\n)\| \d+ \| u16 \| .*\n", ""),
        "signs forgotten": (r"\| i(16|32|64) \|", r"| u\1 |"),
        "a bound": (r"\b(\d+) to 1(\d+)", r"\1 to 2\2"),
        "an offset": (r"(?<=\n)\| 2 \| u", "| 3 | u"),
        "bits from the other end": (r"bits 7:", "bits 0:"),
        "bytes of an example": (r"(?<=\n)(\| 16 \| )`[^`]*`", r"\1`00 00 00`"),
        "where a row leads": (r"\*\*READY_FULL\*\*", "stays"),
        "a link": (r"<status-", "<statuses-of-"),
    },
    "picture": {
        "a packet type is lost": (r"\n<text [^\n]*>TIME_STATUS</text>", ""),
        "another number": (r"(?<=>)4(\d) ", r"5\1 "),
        "another sender": (r"(?<=>)(\w\w) →(?=<)", r"\1 ←"),
        "another channel's colour": (r'(height="16.0" rx="3" fill=)"#e8a5b4"', r'\1"#a9cdf0"'),
        "two channels of one colour": (r"#e8a5b4", "#a9cdf0"),
        "a field out of scale": (
            r'width="\d([\d.]+)" height="23.0" rx="3" fill="#dbe7f3"',
            r'width="\1" height="23.0"',
        ),
        "a field of another name": (r"(?<=>)txn(?=<)", "length"),
        "no picture at all": (r"</title>", ""),
    },
    "promela": {
        "timers that never end": (r"(_tTimeSync) == 1 && ", r"\1 == 9 && "),
        "packets that are not sent": (r"to_phone!TIME_STATUS_event[^;]*;", "skip;"),
        "states that stay": (r"\bmodule_TIME = module_TIME_LOCKED;", "skip;"),
        "what a packet says": (r"out = module_TIME;", "out = 0;"),
    },
}
NEEDED = {"promela": spin.missing()}
EACH = [
    pytest.param(
        *(backend, name),
        marks=pytest.mark.skipif(bool(NEEDED.get(backend)), reason=f"not installed: {NEEDED.get(backend)}"),
    )
    for backend, mutants in MUTANTS.items()
    for name in ("none", *mutants)
]

# ── Who finds them ───────────────────────────────────────────────────────────────────────────────────

Change = Callable[[str], str]


def export(change: Change) -> str:
    """Whoever reads the export has what was declared."""
    (text,) = files("json").values()
    try:
        return "" if ir.Catalogue.from_json(change(text).encode()) == declared()[0] else "another catalogue"
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        return str(error)


def vectors(change: Change) -> str:
    """The Python codec, which construct judges elsewhere, does what they say."""
    for text in files("vectors").values():
        for v in msgspec.json.decode(change(text), type=File).vectors:
            data = bytes.fromhex(v.hex)
            try:
                found: object = jsonable(codec.plain(codec.decode(data).body))
            except codec.DecodeError as error:
                found = (error.fault, error.path)
            if found != ((v.error.fault, v.error.path) if v.error else v.value):
                return v.name
    return ""


def document(change: Change) -> str:
    """Pages, read back, say what the catalogue says."""
    pages = {name: change(text) for name, text in files("docs").items()}
    return next(documented.wrong(catalogue(), pages), "")


def picture(change: Change) -> str:
    """The drawing, read back, has every field of the header to scale and every packet type in its chapter."""
    (text,) = files("picture").values()
    try:
        return next(misdrawn(ET.fromstring(change(text))), "")  # noqa: S314 (our own)
    except ET.ParseError as error:
        return str(error)


def misdrawn(svg: ET.Element) -> Iterator[str]:
    """What a reader of the picture sees otherwise than it was declared."""
    drawn = [(x.tag.rpartition("}")[2], x, x.text or "") for x in svg]
    titles = [i for i, (_, x, _) in enumerate(drawn) if x.get("font-size") == "15"]
    header, rest = drawn[titles[0] + 1 : titles[1]], drawn[titles[1] + 1 :]
    yield from _misdrawn_header(header, float(svg.attrib["viewBox"].split()[2]))
    colours: dict[str, str] = {}
    signs: dict[str, str] = {}
    chapters: dict[str, list[tuple[str, str, str]]] = {}
    for (_, before, _), (kind, x, said) in pairwise(rest):
        if before.get("width") == "12.0":
            colours[said] = before.attrib["fill"]
        elif "   " in said:
            signs = {word: sign for sign, word in re.findall(r"(\S) (\w+)", said)}
        elif x.get("font-size") == "13":
            found = chapters.setdefault(said, [])
        elif kind == "text" and before.tag.endswith("rect"):
            number, fill = said, before.attrib["fill"]
        elif kind == "text":
            found.append((number, said, fill))
    if len(set(colours.values())) < len(colours):
        yield "channels of one colour"
    for group in dict.fromkeys(p.group for p in catalogue().packets):
        wanted = [
            (f"{p.code:02X} {signs['either' if p.sender is Role.BOTH else p.sender]}", p.name,
             colours[p.channel.rstrip("0")])
            for p in catalogue().packets if p.group == group
        ]  # fmt: skip
        if chapters.get(group) != wanted:
            yield f"{group}: {chapters.get(group)}"


def _misdrawn_header(drawn: list[tuple[str, ET.Element, str]], width: float) -> Iterator[str]:
    fields = list(ir.fields_of(catalogue().envelope["PACKET"].header))
    boxes = [x for kind, x, _ in drawn if kind == "rect"][: len(fields)]
    names = [said for kind, x, said in drawn if kind == "text" and x.get("font-size") == "12"]
    margin, at = float(boxes[0].attrib["x"]), 0
    scale = (width - 2 * margin) / 64
    for f, box in zip(fields, boxes, strict=True):
        assert isinstance(f, ir.Number)
        x, wide = float(box.attrib["x"]), float(box.attrib["width"])
        if abs(x - margin - at % 64 * scale) > 1 or not f.bits * scale - 4 < wide < f.bits * scale:
            yield f"{f.name} at {x}, {wide} wide"
        if f.bits > 1 and names.pop(0) != f.name:
            yield f"{f.name} has another name"
        at += f.bits


def model(change: Change) -> str:
    """spin finds broken what is declared of the machines."""
    (time,) = (m for m in MODELS if m.name == "time")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spin, "text", lambda c, m: change(promela_text(c, m)))
        return spin.verify(catalogue(), time).broken


JUDGES = {"json": export, "vectors": vectors, "docs": document, "picture": picture, "promela": model}


@cache
def files(backend: str) -> dict[str, str]:
    return {name: data.decode() for name, data in BACKENDS[backend].make(catalogue()).items()}


# ── Every mutant dies ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("backend", "name"), EACH)
def test_a_planted_mistake_is_found_and_without_one_nothing_is(backend: str, name: str) -> None:
    applied = 0

    def change(text: str) -> str:
        nonlocal applied
        changed, n = re.subn(*MUTANTS[backend][name], text) if name != "none" else (text, 0)
        applied += n
        return changed

    found = JUDGES[backend](change)
    assert bool(found) is (name != "none"), found
    assert bool(applied) is (name != "none")
