"""Bundles sealed and verified.

`verify` believes nothing that is written in a bundle but its tape. It checks who has signed, that no file is changed,
missing or added, and that the suite is the one that judged; then it runs the campaign again against the tape and writes
all of the bundle anew. What is not the same to the byte is refused, whoever has signed it.

What no tape can show is `attested`: it is the word of whoever signed. In real time that is every verdict, because the
tester's own clock is part of them, and that is not on the tape.

Plan: signing · what was verified · verifying: the seal, the files, the verdicts.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec
from msgspec import Struct, structs

from opalink.conformance.bundle.evidence import ORDER, REPORT, RESULTS, STATEMENT, TAPE, bundle, stretches, tee
from opalink.conformance.bundle.report import Report
from opalink.conformance.papers.documents import DocumentError
from opalink.conformance.runner import Progress
from opalink.conformance.sealed.envelope import SealError, SSlibKey, checked, opened, sealed, signer
from opalink.conformance.sealed.order import Order
from opalink.conformance.sealed.recorded import NotReproducible, replayed
from opalink.conformance.sealed.statement import (
    Hex,
    RefusedError,
    Sealed,
    Statement,
    content,
    digests,
    statement,
    suite,
)
from opalink.conformance.sealed.tape import playing
from opalink.conformance.selection import BadExpression, select
from opalink.conformance.verdicts import EXITS, Conclusion, Exit, Verdict
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Role

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

# ── Signing ──────────────────────────────────────────────────────────────────────────────────────────


def sign(folder: Path, key: Path, image: Path | None = None) -> Statement:
    """Seal a bundle, or add a signature to the seal that it has. `image` is the firmware's, where the device itself
    gives no digest of it. Raises SealError and RefusedError."""
    signs, _ = signer(key)
    report, files = _read(folder, REPORT, Report), digests(folder)
    for name in (ORDER, TAPE, RESULTS):
        if name not in files:
            raise RefusedError(f"The bundle has no {name}, without which nobody can verify it.", Exit.NOTHING_RAN)
    before, firmware = None, ""
    if (folder / STATEMENT).exists():
        before = opened(content(folder, STATEMENT))
        said = _decoded(before.payload, STATEMENT, Statement)
        if said.predicate.campaign.firmware == "attested":
            firmware = said.subject[0].digest.sha256
    if image is not None:
        try:
            with image.open("rb") as stream:
                firmware = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise SealError(f"The image {str(image)!r} cannot be read: {error.strerror}.", Exit.NOTHING_RAN) from None
    made = statement(report, files, firmware)
    (folder / STATEMENT).write_bytes(sealed(msgspec.json.encode(made), signs, before))
    return made


# ── What was verified ────────────────────────────────────────────────────────────────────────────────


class Proof(Struct, frozen=True):
    """What a bundle proves. `derived` is whether its verdicts were derived from the tape; `attested` is what was not, a
    sentence each. `keys` have signed, and `others` too, whose signatures were not checked."""

    statement: Statement
    files: int
    derived: bool
    attested: tuple[str, ...]
    keys: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def exit(self) -> Exit:
        """The campaign's own; where it is good and only attested, that it is not proved."""
        code = EXITS[self.statement.predicate.campaign.verdict]
        good = code in (Exit.CONFORMANT, Exit.KNOWN)
        return Exit.INCONCLUSIVE if good and not self.derived else code


def _attested(said: Sealed, report: Report, earlier: Sequence[str]) -> list[str]:
    """`earlier` are the tapes of what came before the campaign was cut off."""
    found = [
        f"That the tape was taken of this product, over the adapter {said.adapter}.",
        "Where, when and by which command it was run.",
    ]
    if said.firmware == "attested":
        found.append("The digest of the firmware: the device gives none.")
    if said.firmware == "unknown":
        found.append(
            "Which firmware it was: there is no digest of it, and the subject is what the device calls itself."
        )
    if earlier:
        times = "once" if len(earlier) == 1 else f"{len(earlier)} times"
        found.append(f"That it was cut off {times}, and what came before is on {', '.join(earlier)}.")
    if report.changes:
        found.append("What has changed since an earlier campaign.")
    if said.clock != "virtual":
        found.append("Every verdict: in real time the tester's own clock is part of them.")
    return found


# ── Verifying ────────────────────────────────────────────────────────────────────────────────────────


def verify(folder: Path, keys: Sequence[SSlibKey], progress: Progress) -> Proof:
    """What a bundle proves that all of the keys have signed. Raises SealError and RefusedError with the reason for
    which it is refused."""
    envelope = opened(content(folder, STATEMENT))
    said = _decoded(checked(envelope, keys), STATEMENT, Statement)
    campaign = said.predicate.campaign
    _of_this_suite(campaign)
    files = digests(folder)
    _untouched({r.name: r.digest.sha256 for r in campaign.bundle}, files)
    report = _read(folder, REPORT, Report)
    _whole(report)
    made = statement(report, files, said.subject[0].digest.sha256 if campaign.firmware == "attested" else "")
    theirs = made.predicate
    if name := _differing(campaign, theirs.campaign) or _differing(said.predicate, theirs) or _differing(said, made):
        raise RefusedError(f"The statement's {name} is not what the bundle says.")
    derived = report.clock == "virtual"
    if derived:
        _reproducible(folder, report, files, progress)
    others = tuple(k for k in envelope.signatures if k not in {key.keyid for key in keys})
    signed = tuple(key.keyid for key in keys)
    attested = _attested(campaign, report, [path.name for path in stretches(folder)])
    return Proof(said, len(files), derived, tuple(attested), signed, others)


def _decoded(data: bytes, name: str, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RefusedError(f"The bundle's {name} is not of its shape: {error}.") from None


def _read(folder: Path, name: str, shape: type[T]) -> T:
    return _decoded(content(folder, name), name, shape)


def _differing(a: S, b: S) -> str:
    """The name of the first field in which two records differ; empty if there is none."""
    return next((f.encode_name for f in structs.fields(a) if getattr(a, f.name) != getattr(b, f.name)), "")


def _of_this_suite(said: Sealed) -> None:
    known = catalogue()
    ours, theirs = suite(known.version, known.fingerprint), said.suite
    if theirs != ours:
        raise RefusedError(
            f"It was judged by opalink {theirs.version} (sources {theirs.sources[:16]}, specification {theirs.spec} "
            f"{theirs.catalogue[:16]}), and this is opalink {ours.version} (sources {ours.sources[:16]}, "
            f"specification {ours.spec} {ours.catalogue[:16]}): only the suite that judged can verify it.",
            Exit.INCONCLUSIVE,
        )


# ── The files ────────────────────────────────────────────────────────────────────────────────────────


def _untouched(listed: Mapping[str, Hex], files: Mapping[str, Hex]) -> None:
    """Every file that was sealed, as it was, and no other."""
    if missing := sorted(listed.keys() - files.keys()):
        raise RefusedError(f"The bundle lacks {missing[0]}{_more(missing)}, which was sealed.")
    if extra := sorted(files.keys() - listed.keys()):
        raise RefusedError(f"The bundle holds {extra[0]}{_more(extra)}, which was not sealed.")
    if changed := [name for name in files if files[name] != listed[name]]:
        raise RefusedError(f"{changed[0]}{_more(changed)} was changed after it was sealed.")


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _whole(report: Report) -> None:
    """Every test of the suite that belongs to the selection, unless the campaign was stopped before the first; and a
    summary of just these."""
    try:
        suites = [p.id for p in select(Role(report.role), report.plan, report.selection)]  # type: ignore[arg-type]
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"The report names no tests: {error}") from None
    had = [t.id for t in report.tests]
    if had or report.verdict is not Conclusion.PICS_CONTRADICTED:
        if missing := [id_ for id_ in suites if id_ not in set(had)]:
            raise RefusedError(f"The report lacks {missing[0]}{_more(missing)}: its selection has {len(suites)} tests.")
        if had != suites:
            raise RefusedError("The report has other tests than the suite, or has them in another order.")
    counts = Counter(t.verdict for t in report.tests)
    if msgspec.to_builtins(report.summary) != {v.value: counts[v] for v in Verdict}:
        raise RefusedError("The report's summary does not count its tests.")
    if report.verdict is Conclusion.CONFORMANT and any(counts[v] for v in (Verdict.FAIL, Verdict.ERROR)):
        raise RefusedError("The report is conformant, and not all of its tests have passed.")


# ── The verdicts ─────────────────────────────────────────────────────────────────────────────────────


def _reproducible(folder: Path, report: Report, files: Mapping[str, Hex], progress: Progress) -> None:
    """Run the campaign again against its tape, and write the whole bundle anew."""
    order = _read(folder, ORDER, Order)
    with TemporaryDirectory() as name:
        anew = Path(name)
        try:
            with (anew / RESULTS).open("wb") as stream, playing(folder / TAPE) as turns:
                campaign = replayed(turns, order, tee(stream, progress))
        except (NotReproducible, DocumentError, BadExpression) as error:
            raise RefusedError(f"It is not reproducible: {error}") from None
        except (ValueError, ArithmeticError, RecursionError) as error:  # an order that nobody could have given
            raise RefusedError(f"It is not reproducible: the order cannot be carried out: {error}.") from None
        bundle(structs.replace(campaign, environment=report.environment, changes=report.changes), anew, order)
        _same(report, _read(anew, REPORT, Report))
        written = digests(anew)
    for name in sorted((files.keys() | written.keys()) - {TAPE}):
        if files.get(name) != written.get(name):
            raise RefusedError(f"It is not reproducible: {name} is not what the tape gives.")


def _same(said: Report, found: Report) -> None:
    """Raises RefusedError for the first test, else for the first thing, that a report says otherwise than its tape."""
    for ours, theirs in zip(said.tests, found.tests, strict=False):
        if ours.verdict is not theirs.verdict:
            raise RefusedError(
                f"It is not reproducible: of {ours.id} the report says {ours.verdict.upper()}, "
                f"and the tape gives {theirs.verdict.upper()}."
            )
        if ours != theirs:
            raise RefusedError(f"It is not reproducible: what the report says of {ours.id} is not what the tape gives.")
    if name := _differing(said, found):
        raise RefusedError(f"It is not reproducible: the report's {name} is not what the tape gives.")
