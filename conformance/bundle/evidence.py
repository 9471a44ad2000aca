"""What a campaign leaves on disk: the bundle, with a recording of every exchange that is evidence.

    report.json  report.html  junit.xml  results.jsonl  pics.toml  pixit.toml  environment.json
    captures/ROLE/AREA/SUBJECT/CLASS-name.pcapng
    order.json  tape.pcapng.gz            what all of that can be derived from once more: see `recorded`
    tape-01.pcapng.gz                     what crossed the bench before the campaign was cut off, if it was
    statement.dsse                        what seals it: see `sealing`

A recording holds the bytes of one test, with what the bench and the suite did as comments on the packet that followed
it; the requirement, the verdict and the command that runs the test again stand in the comments of the file. All of
it opens in Wireshark.

Plan: the recording of a test · the bundle.
"""

from pathlib import Path
from typing import IO, BinaryIO, Final

import msgspec
from msgspec import Struct, structs

from opalink.conformance.bundle import html, junit, recording, report
from opalink.conformance.bundle.report import clean
from opalink.conformance.bundle.results import Campaign, Result
from opalink.conformance.runner import Progress
from opalink.conformance.sealed.order import Order
from opalink.protocol.capture.pcapng import LINKTYPE_FLIT, LINKTYPE_PACKET
from opalink.protocol.ir.load import catalogue

# ── The recording of a test ──────────────────────────────────────────────────────────────────────────


def record(stream: BinaryIO, campaign: Campaign, result: Result) -> None:
    """Write the exchange of a test as pcapng."""
    # On the FLIT plane the packets are in the FLITs: they stand among the steps for whoever reads these.
    both = any(s.on_lane for s in result.steps)
    link_type = LINKTYPE_FLIT if both or campaign.plane == "flit" else LINKTYPE_PACKET
    steps = [s for s in result.steps if s.on_lane or not (both and s.data)]
    recording.write(stream, steps, _about(campaign, result), link_type)


def _about(campaign: Campaign, result: Result) -> list[str]:
    """What stands in the comments of the file: the obligation first."""
    known = catalogue().requirement
    ids = dict.fromkeys((*result.charged, *result.requirements))
    lines = [f"{i}: {known[i].text}" if i in known else i for i in ids]
    verdict = ": ".join(filter(None, (result.verdict.upper(), result.reason)))
    lines += [f"Test: {result.id}", result.sentence, f"Verdict: {verdict}"]
    lines += [f"Expected: {result.expected}"] if result.expected else []
    lines += [f"Actual: {result.actual}"] if result.actual else []
    return [*lines, f"Again: {report.replay(campaign, result)}"]


# ── The bundle ───────────────────────────────────────────────────────────────────────────────────────


TAPE: Final = "tape.pcapng.gz"
ORDER: Final = "order.json"
REPORT: Final = "report.json"
RESULTS: Final = "results.jsonl"
STATEMENT: Final = "statement.dsse"


def stretches(folder: Path) -> list[Path]:
    """The tapes of what came before a campaign was cut off, in order."""
    return sorted(folder.glob("tape-[0-9][0-9].pcapng.gz"))


def fresh_tape(folder: Path, *, resume: bool) -> Path:
    """Where a tape is to begin: with `resume` the one of the stretch before is kept beside it, else what another
    campaign left goes."""
    tape, earlier = folder / TAPE, stretches(folder)
    if resume and tape.exists():
        tape.rename(folder / f"tape-{len(earlier) + 1:02}.pcapng.gz")
    elif not resume:
        for path in earlier:
            path.unlink()
    return tape


def tee(stream: IO[bytes], show: Progress) -> Progress:
    """Results to disk as they come, so that a campaign that is cut off leaves what it had."""

    def progress(result: Result, done: int, total: int) -> None:
        stream.write(msgspec.json.encode(structs.replace(result, steps=())) + b"\n")
        show(result, done, total)

    return progress


def bundle(campaign: Campaign, folder: Path, order: Order | None = None) -> list[Path]:
    """Write everything into a folder, over what an earlier campaign left there; returns the files. TAPE and RESULTS are
    written while the campaign goes on, and belong to it where the `order` is given."""
    campaign = clean(campaign)
    files = {
        REPORT: report.to_json(campaign),
        "report.html": html.render(campaign).encode(),
        "junit.xml": junit.to_xml(campaign),
        "pics.toml": campaign.pics.encode(),
        "environment.json": json(campaign.environment),
    }
    streamed = [folder / RESULTS, folder / TAPE, *stretches(folder)]
    stale = [folder / STATEMENT, folder / ORDER, folder / "pixit.toml", *(streamed if order is None else ())]
    for path in (*stale, *sorted((folder / "captures").rglob("*.pcapng"))):
        path.unlink(missing_ok=True)
    if order is not None:
        files[ORDER] = json(order)
    if campaign.pixit:
        files["pixit.toml"] = campaign.pixit.encode()
    for name, data in files.items():
        _fresh(folder / name).write_bytes(data)
    written = [folder / name for name in files]
    for result in campaign.results:
        if name := report.captured(result):
            with _fresh(folder / name).open("wb") as stream:
                record(stream, campaign, result)
            written.append(folder / name)
    return written


def json(value: Struct) -> bytes:
    """A value as JSON for people to read, too."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def _fresh(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
