"""What is signed of a bundle: an in-toto test-result statement, derived from the report and the bundle's files.

The subject is the image that was judged: the digest that the device itself gave at the binding, or one that whoever
signs attests, or, where there is neither, the identity that the device gave. Of the predicate's own fields, which say
only passed or failed, `result` is PASSED for a conformant campaign alone, and WARNED where all that failed is waived;
what the campaign says itself stands under `CAMPAIGN`, an extension field as in-toto has them.

Plan: the shapes · the files of a bundle · the subject · from a report to a statement.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

import opalink
from opalink.conformance.bundle.evidence import ORDER, STATEMENT, TAPE
from opalink.conformance.bundle.report import Report, Summary
from opalink.conformance.papers.documents import DocumentError
from opalink.conformance.sealed.sources import digest as sources
from opalink.conformance.verdicts import Conclusion, Exit, Verdict

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
CAMPAIGN: Final = "urn:opalink:campaign:1"

# ── The shapes ───────────────────────────────────────────────────────────────────────────────────────

Hex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Digests(Struct, frozen=True, forbid_unknown_fields=True):
    """In-toto's set of digests, with the one that is used here."""

    sha256: Hex


class Resource(Struct, frozen=True, forbid_unknown_fields=True):
    """In-toto's descriptor of a resource."""

    name: str
    digest: Digests


class Suite(Struct, frozen=True, forbid_unknown_fields=True):
    """What judged: the version of opalink, the digest of its sources, and the specification's version and digest."""

    version: str
    sources: str
    spec: str
    catalogue: str


class Sealed(Struct, frozen=True, forbid_unknown_fields=True):
    """A campaign, in the words of report.json. `firmware` says where the subject's digest comes from."""

    verdict: Conclusion
    level: str
    asked: str
    plan: str
    selection: str
    profile: str
    role: str
    summary: Summary
    adapter: str
    plane: str
    clock: str
    seed: int
    nonce: str
    firmware: Literal["device", "attested", "unknown"]
    suite: Suite
    bundle: tuple[Resource, ...]


class Predicate(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """In-toto's test-result, with ours."""

    result: Literal["PASSED", "WARNED", "FAILED"]
    configuration: tuple[Resource, ...]
    passed_tests: tuple[str, ...]
    warned_tests: tuple[str, ...]
    failed_tests: tuple[str, ...]
    campaign: Sealed = field(name=CAMPAIGN)


class Statement(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """In-toto's statement, version 1."""

    type: Literal["https://in-toto.io/Statement/v1"] = field(name="_type")
    subject: tuple[Resource]
    predicate_type: Literal["https://in-toto.io/attestation/test-result/v0.1"]
    predicate: Predicate


class RefusedError(DocumentError):
    """A bundle that is none, or that is not believed, with the reason."""

    usual = Exit.NON_CONFORMANT


# ── The files of a bundle ────────────────────────────────────────────────────────────────────────────

LARGEST: Final = 1 << 29  # bytes of a file that is read whole
MOST: Final = 100_000  # files


def digests(folder: Path) -> dict[str, Hex]:
    """The SHA-256 of every file of a bundle but the statement, by its path within. Raises RefusedError for what is no
    bundle's: links, devices, more files than any bundle has."""
    if not folder.is_dir():
        raise RefusedError(f"There is no bundle {str(folder)!r}.", Exit.NOTHING_RAN)
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise RefusedError(f"The bundle holds {name!r}, which is neither a file nor a folder.")
        if path.is_file() and name != STATEMENT:
            with path.open("rb") as stream:
                found[name] = hashlib.file_digest(stream, "sha256").hexdigest()
        if len(found) > MOST:
            raise RefusedError(f"The bundle holds more than {MOST:,} files, which no bundle does.")
    return found


def content(folder: Path, name: str) -> bytes:
    """A file of a bundle. Raises RefusedError where it is not there."""
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise RefusedError(f"The bundle {str(folder)!r} has no {name}.", Exit.NOTHING_RAN)
    if path.stat().st_size > LARGEST:
        raise RefusedError(f"The bundle's {name} has more than {LARGEST:,} bytes, which no bundle's has.")
    return path.read_bytes()


# ── The subject ──────────────────────────────────────────────────────────────────────────────────────


def _subject(report: Report, firmware: str) -> tuple[Resource, Literal["device", "attested", "unknown"]]:
    """What was judged, and where its digest comes from. Raises RefusedError where `firmware`, which somebody attests,
    is not what the device says."""
    bound = report.bound
    if firmware and bound.digest not in ("", firmware):
        raise RefusedError(f"The device says that its image is {bound.digest[:16]}…, and {firmware[:16]}… is attested.")
    name = " ".join(filter(None, (bound.product or bound.name or report.iut, bound.version)))
    if bound.digest or firmware:
        return Resource(name, Digests(bound.digest or firmware)), "device" if bound.digest else "attested"
    return Resource(name, Digests(hashlib.sha256(msgspec.json.encode(bound)).hexdigest())), "unknown"


# ── From a report to a statement ─────────────────────────────────────────────────────────────────────

_RESULT: Final[Mapping[Conclusion, Literal["PASSED", "WARNED"]]] = {
    Conclusion.CONFORMANT: "PASSED",
    Conclusion.KNOWN: "WARNED",
}
_FAILED: Final = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONC)
_INPUTS: Final = (ORDER, TAPE)


@cache
def suite(spec: str, catalogue: str) -> Suite:
    """This suite, judging by a specification."""
    return Suite(opalink.__version__, sources(), spec, catalogue)


def statement(report: Report, files: Mapping[str, Hex], firmware: str = "") -> Statement:
    """What is to be said of a bundle with this report and these files. Raises RefusedError."""
    r = report
    subject, source = _subject(r, firmware)
    return Statement(
        type=STATEMENT_TYPE,
        subject=(subject,),
        predicate_type=TEST_RESULT,
        predicate=Predicate(
            result=_RESULT.get(r.verdict, "FAILED"),
            configuration=tuple(Resource(name, Digests(files[name])) for name in _INPUTS if name in files),
            passed_tests=tuple(t.id for t in r.tests if t.verdict is Verdict.PASS),
            warned_tests=tuple(t.id for t in r.tests if t.waived),
            failed_tests=tuple(t.id for t in r.tests if t.verdict in _FAILED and not t.waived),
            campaign=Sealed(
                verdict=r.verdict,
                level=r.level,
                asked=r.asked,
                plan=r.plan,
                selection=r.selection,
                profile=r.profile,
                role=r.role,
                summary=r.summary,
                adapter=r.iut,
                plane=r.plane,
                clock=r.clock,
                seed=r.seed,
                nonce=r.nonce,
                firmware=source,
                suite=suite(r.spec, r.catalogue),
                bundle=tuple(Resource(name, Digests(digest)) for name, digest in files.items()),
            ),
        ),
    )
