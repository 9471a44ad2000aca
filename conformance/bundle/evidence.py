"""What a campaign leaves on disk: the bundle, with a recording of every exchange that is evidence.

    report.json  report.html  junit.xml  results.jsonl  pics.toml  pixit.toml  environment.json
    captures/ROLE/AREA/SUBJECT/CLASS-name.pcapng
    order.json  tape.pcapng.gz            what all of that can be derived from once more: see `recorded`
    statement.dsse                        what seals it: see `sealing`

A recording holds the bytes of one test, with what the bench and the suite did as comments on the packet that followed
it; the requirement, the verdict and the command that runs the test again stand in the comments of the file. All of
it opens in Wireshark.

Plan: the recording of a test · the bundle.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, BinaryIO, Final

import msgspec
from msgspec import Struct, structs

import opalink
from opalink.conformance.bundle import html, junit, report
from opalink.conformance.bundle.report import clean, lane_name
from opalink.conformance.bundle.results import Actor, Campaign, Result, Step
from opalink.conformance.runner import Progress
from opalink.conformance.sealed.order import Order
from opalink.protocol.capture.pcapng import LINKTYPE_FLIT, LINKTYPE_PACKET, Interface, Writer
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets.enums import Lane

# ── The recording of a test ──────────────────────────────────────────────────────────────────────────

SENDERS: Final = {Actor.TESTER: "tester", Actor.IUT: "IUT"}  # as the capture format calls them


def record(stream: BinaryIO, campaign: Campaign, result: Result) -> None:
    """Write the exchange of a test as pcapng."""
    on_lanes = campaign.plane == "flit" or any(s.on_lane for s in result.steps)
    link_type = LINKTYPE_FLIT if on_lanes else LINKTYPE_PACKET
    lanes = sorted({s.lane for s in result.steps if s.data} | {Lane.SIDEBAND, Lane.LASER})
    places = [(lane, actor) for lane in lanes for actor in SENDERS]
    interfaces = [Interface.of(lane_name(lane), SENDERS[actor], link_type) for lane, actor in places]
    # On the FLIT plane the packets are in the FLITs: they stand among the steps for whoever reads these.
    both = any(s.on_lane for s in result.steps)
    rows = _packets([s for s in result.steps if s.on_lane or not (both and s.data)])
    loose = [note for _, notes in rows if not rows[-1][0] for note in notes]  # nothing was sent that could carry them
    writer = Writer(stream, interfaces, [*_about(campaign, result), *loose], f"opalink {opalink.__version__}")
    for step, notes in rows:
        if step is not None:
            writer.write(places.index((step.lane, step.actor)), step.time, step.data, notes)


def _packets(steps: Sequence[Step]) -> list[tuple[Step | None, list[str]]]:
    """Every packet with what was noted since the one before; what comes after the last one goes with it."""
    out: list[tuple[Step | None, list[str]]] = []
    notes: list[str] = []
    for step in steps:
        if step.data and step.actor in SENDERS:
            own = [step.note] if step.note else []
            out.append((step, notes + own))
            notes = []
        else:
            notes.append(f"{step.time} ns, {step.actor}: {step.note or 'an empty packet'}")
    if out:
        out[-1][1].extend(notes)
    else:
        out.append((None, notes))
    return out


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
    streamed = [folder / RESULTS, folder / TAPE]
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
