"""What a finding leaves: its case as text, what was exchanged as pcapng, and a test that fails for as long as it shows.

    findings/SIGNATURE/case.txt  case.pcapng  test_SIGNATURE.py  report.md

The pcapng holds exactly the bytes that were sent, in Wireshark's form, with the requirement in the file's comments. The
test plays the case on the implementation at OPALINK_IUT, and needs nothing but pytest and this package.

Plan: the recording · the test · the page for people · all of it.
"""

import re
import shlex
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import structs

from opalink.conformance.bundle import recording
from opalink.conformance.bundle.report import lane_name, packet_name, printable
from opalink.fuzz.case import Case, text
from opalink.fuzz.guide import load
from opalink.fuzz.steps import CaseError
from opalink.fuzz.triage import Confirmed
from opalink.protocol.ir.load import catalogue

SHOWN: Final = 40  # packets that the page shows: the last ones

# ── The recording ────────────────────────────────────────────────────────────────────────────────────


def record(stream: BinaryIO, confirmed: Confirmed) -> None:
    """Write what was exchanged as pcapng."""
    steps = [structs.replace(s, note=printable(s.note)) for s in confirmed.played.line]
    recording.write(stream, steps, [*_about(confirmed), *text(confirmed.case).splitlines()])


def _about(confirmed: Confirmed) -> list[str]:
    f = confirmed.finding
    lines = [
        f"{f.requirement}: {sentence(f.requirement)}",
        f"Finding {confirmed.signature}, by the oracle {f.oracle}",
        f"Expected: {f.expected}",
        f"Actual: {f.actual}",
        f"Shown: {confirmed.shown} of {confirmed.times} times",
    ]
    return [printable(x) for x in (*lines, *([f"Last words: {f.last}"] if f.last else []))]


def sentence(requirement: str) -> str:
    """The requirement's own sentence."""
    known = catalogue().requirement.get(requirement)
    return known.text if known else "a rule of the binding"


# ── The test ─────────────────────────────────────────────────────────────────────────────────────────

_TEST: Final = '''"""{requirement}: {sentence}

Fails for as long as the implementation at OPALINK_IUT (by default {iut}) shows the finding {signature}.
"""

import os

from opalink.fuzz.case import parse
from opalink.fuzz.player import Player

CASE = """\\
{case}"""


def test_{signature}() -> None:
    with Player(os.environ.get("OPALINK_IUT", {iut!r})) as player:
        played = player.play(parse(CASE))
    found = [f"expected {{f.expected}}, saw {{f.actual}}" for f in played.findings if f.requirement == {requirement!r}]
    assert not found
'''


def as_test(confirmed: Confirmed, iut: str) -> str:
    """A file for pytest."""
    requirement = confirmed.finding.requirement
    words = re.sub(r'["\\]', "'", printable(sentence(requirement)))
    return _TEST.format(
        requirement=requirement,
        sentence=words,
        signature=confirmed.signature,
        iut=iut,
        case=text(confirmed.case).replace("\\", "\\\\").replace('"""', '\\"\\"\\"'),
    )


# ── The page for people ──────────────────────────────────────────────────────────────────────────────


def as_page(confirmed: Confirmed, iut: str) -> str:
    """A page in Markdown: what was broken, by what, and how to see it again."""
    f = confirmed.finding
    again = shlex.join(["opalink", "fuzz", "replay", iut, "case.txt"])
    rows = [
        f"{s.time:>14} {s.actor:<6} {lane_name(s.lane) if s.data else '':<8} "
        f"{packet_name(s.data) if s.data else s.note}".rstrip()
        for s in confirmed.played.line[-SHOWN:]
    ]
    return "\n".join(
        [
            f"# {f.requirement}",
            "",
            printable(sentence(f.requirement)),
            "",
            *(f"- {printable(line)}" for line in _about(confirmed)[1:]),
            f"- State before: {f.state}",
            f"- Again: `{again}`",
            "",
            *("    " + row for row in text(confirmed.case).splitlines()),
            "",
            "The last packets, with their time in nanoseconds:",
            "",
            *("    " + printable(row) for row in rows),
            "",
        ]
    )


# ── All of it ────────────────────────────────────────────────────────────────────────────────────────


def bundle(confirmed: Confirmed, folder: Path, iut: str) -> Path:
    """Write everything about a finding into a folder of its own under `folder`; returns that."""
    own = folder / confirmed.signature
    own.mkdir(parents=True, exist_ok=True)
    (own / "case.txt").write_text(text(confirmed.case), encoding="utf-8")
    (own / f"test_{confirmed.signature}.py").write_text(as_test(confirmed, iut), encoding="utf-8")
    (own / "report.md").write_text(as_page(confirmed, iut), encoding="utf-8")
    with (own / "case.pcapng").open("wb") as stream:
        record(stream, confirmed)
    return own


def known(folder: Path, most: int = 256) -> list[Case]:
    """The cases of earlier findings under a folder; what is none is left out."""
    cases = []
    for path in sorted(folder.glob("*/case.txt"))[:most]:
        try:
            cases.append(load(path))
        except (CaseError, OSError):
            continue
    return cases
