"""Mistakes planted in what generators make, each of which has to be found: the export, the vectors, the pages of the
document, the models of the machines. Those of the other back ends stand beside the tests of these.

A mutant is a substitution in the generated text, made wherever it applies.

Plan: the mistakes · who finds them · every mutant dies.
"""

import re
from collections.abc import Callable
from functools import cache

import msgspec
import pytest

from opalink.protocol import codec
from opalink.protocol.generate.promela import run as spin
from opalink.protocol.generate.promela import text as promela_text
from opalink.protocol.generate.registry import BACKENDS
from opalink.protocol.generate.vectors import jsonable
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue, declared
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


def model(change: Change) -> str:
    """spin finds broken what is declared of the machines."""
    (time,) = (m for m in MODELS if m.name == "time")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spin, "text", lambda c, m: change(promela_text(c, m)))
        return spin.verify(catalogue(), time).broken


JUDGES = {"json": export, "vectors": vectors, "docs": document, "promela": model}


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
