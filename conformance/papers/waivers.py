"""Waivers: failures that a vendor knows of, each with a bug and a day on which it ends.

A waiver changes no verdict. It names one failure by test, verdict and signature; a run whose only failures are waived
has a conclusion of its own, and a waiver that no longer says what is true fails the run, so that a list never rots.

    waivers = 1

    [[waiver]]
    id = "W-12"
    test = "MOD/PWR/PWR_BUDGET/BI-g.cause.unknown_member"   # a * may stand for at most ten tests
    verdict = "fail"                                        # or "inconc"
    signature = "sha256:…"                                  # as report.json gives it
    bug = "https://bugs.example.com/12"
    expires = 2027-03-31
    replay = "w-12.pcapng"                                  # optional: its recording, beside this file

Plan: the file · signatures · reading · which tests are meant · what is waived, and what is stale.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, structs

from opalink.conformance.bundle.results import Result
from opalink.conformance.papers.documents import DocumentError, shaped, text_of
from opalink.conformance.verdicts import Conclusion, Verdict

# ── The file ─────────────────────────────────────────────────────────────────────────────────────────

WIDEST: Final = 10  # tests that one waiver may stand for
_WHAT: Final = "list of waivers"


class Waiver(Struct, frozen=True, forbid_unknown_fields=True):
    """One failure that is known. `test` is the ID of a test, in which `*` stands for any characters."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$")]
    test: Annotated[str, Meta(min_length=1)]
    verdict: Literal["fail", "inconc"]
    signature: Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")]
    bug: Annotated[str, Meta(pattern=r"^https?://\S+$")]
    expires: date  # the last day on which it holds, UTC
    replay: str = ""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    waivers: Literal[1]
    waiver: tuple[Waiver, ...]


class WaiverError(DocumentError):
    """A list of waivers that cannot be used."""


# ── Signatures ───────────────────────────────────────────────────────────────────────────────────────

_NUMBER: Final = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?")


def signature(result: Result) -> str:
    """What a failure is known by: verdict, requirements, and what was expected and seen, with every number in it left
    out, because times and counts differ from run to run."""
    words = (_NUMBER.sub("#", text) for text in (result.expected, result.actual, result.reason))
    text = "\n".join((result.verdict, " ".join(result.charged or result.requirements), *words))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────


def load(path: Path) -> tuple[Waiver, ...]:
    """Read a list of waivers. Raises WaiverError, with exit code 5 where there is no file."""
    waivers = read(text_of(path, _WHAT, WaiverError))
    for w in waivers:
        if w.replay and not (path.parent / w.replay).is_file():
            raise WaiverError(f"The waiver {w.id} names the recording {w.replay!r}, which is not there.")
    return waivers


def read(text: str) -> tuple[Waiver, ...]:
    """Waivers from their TOML text. Raises WaiverError."""
    waivers = shaped(text, _WHAT, _File, WaiverError).waiver
    ids = [w.id for w in waivers]
    if twice := [x for x in ids if ids.count(x) > 1]:
        raise WaiverError(f"There are two waivers with the ID {twice[0]}.")
    return waivers


# ── Which tests are meant ────────────────────────────────────────────────────────────────────────────


def meant(waiver: Waiver, suite: Iterable[str]) -> list[str]:
    """The tests of the suite that a waiver stands for, by ID. Raises WaiverError if they are too many."""
    pattern = re.compile(".*".join(map(re.escape, waiver.test.split("*"))))
    found = [id_ for id_ in suite if pattern.fullmatch(id_)]
    if len(found) > WIDEST:
        raise WaiverError(f"The waiver {waiver.id} stands for {len(found)} tests; at most {WIDEST} are allowed.")
    return found


# ── What is waived, and what is stale ────────────────────────────────────────────────────────────────


def apply(
    waivers: Iterable[Waiver], suite: Collection[str], results: Sequence[Result], today: date
) -> tuple[list[Result], list[str]]:
    """The results, with the ID of its waiver in each that is waived; and what is wrong with the waivers, a sentence
    each.

    `suite` is every test that there is: a waiver for one that was not chosen, or not run, is left alone. Raises
    WaiverError."""
    out = {r.id: r for r in results}
    stale: list[str] = []
    for w in waivers:
        tests = meant(w, suite)
        if not tests:
            stale.append(f"The waiver {w.id} is for {w.test}, which is no test.")
        if w.expires < today:
            stale.append(f"The waiver {w.id} expired on {w.expires}.")
            continue
        for r in (out[id_] for id_ in tests if id_ in out):
            if r.waived:
                stale.append(f"The waivers {r.waived} and {w.id} are both for {r.id}.")
            elif words := _stale(w, r):
                stale.append(f"The waiver {w.id} is for {r.id}, which {words}.")
            elif r.verdict is Verdict(w.verdict):
                out[r.id] = structs.replace(r, waived=w.id)
    return list(out.values()), stale


def _stale(w: Waiver, r: Result) -> str:
    """Why a waiver is not for this result; empty if it is, or if nothing can be said."""
    if r.verdict is Verdict.PASS:
        return "passes"
    if r.verdict is Verdict.NA:
        return "does not apply"
    if r.verdict not in (Verdict.FAIL, Verdict.INCONC):
        return ""
    if r.verdict is not Verdict(w.verdict):
        return f"ends with {r.verdict.upper()}, not {w.verdict.upper()}"
    return "" if signature(r) == w.signature else f"fails in another way: {signature(r)}"


def counted(results: Iterable[Result]) -> list[Result]:
    """The results as the conclusion counts them: what is waived does not stand in its way."""
    return [structs.replace(r, verdict=Verdict.PASS) if r.waived else r for r in results]


def settle(verdict: Conclusion, reason: str, results: Iterable[Result], stale: Sequence[str]) -> tuple[Conclusion, str]:
    """The conclusion, given that of the counted results: never conformant where anything is waived."""
    if stale:
        return Conclusion.NON_CONFORMANT, " ".join([*stale, reason]).rstrip()
    if verdict is Conclusion.CONFORMANT and (used := dict.fromkeys(r.waived for r in results if r.waived)):
        return Conclusion.KNOWN, f"Its only failures are waived, by {', '.join(used)}."
    return verdict, reason
