"""Taking a picture: a phone and a module are brought together, a still is taken, what came of it is written.

Plan: the session · making one · the shot · what is left of it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from msgspec import structs

from opalink.protocol.capture.pcapng import LINKTYPE_PACKET, Interface, Writer
from opalink.protocol.channel import load
from opalink.protocol.engine.gateway import Gateway
from opalink.protocol.engine.image import image_digest
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.security import FIRMWARE
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.frames import Frame
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import CfaPattern, Lane, SensorMode, TrustLevel
from opalink.protocol.picture.dng import Story, write_dng
from opalink.protocol.picture.preview import write_preview
from opalink.protocol.picture.raw import RawPicture
from opalink.protocol.picture.scene import BUNDLED, photograph
from opalink.protocol.picture.sensor import Shot, sensor_of
from opalink.protocol.spdm import Anchors
from opalink.protocol.spdm.reference import anchors
from opalink.protocol.spdm.roots import read_roots
from opalink.protocol.transport.bench import Bench
from opalink.protocol.transport.errors import UriError
from opalink.protocol.transport.remote import Remote
from opalink.protocol.transport.uri import IutUri
from opalink.spec.form import MS, SECOND, Role

PATIENCE: Final = 30 * SECOND  # link time until there is a still
_LOOK: Final = 5 * MS
_EJECT: Final = 500 * MS
_LANES: Final = (Lane.SIDEBAND, Lane.LASER)
_TRUST: Final = {
    TrustLevel.UNKNOWN: "it was not asked for proof",
    TrustLevel.REJECTED: "its proof does not hold",
    TrustLevel.GENUINE: "its maker is one that is trusted",
    TrustLevel.MEASURED: "its maker is one that is trusted, and so is its firmware",
}
_SIDES: Final = (Role.PHONE, Role.MODULE)


class ShootingError(Exception):
    """There is no picture, and why."""


# ── The session ──────────────────────────────────────────────────────────────────────────────────────


class Session:
    """A phone that is about to take a picture with a module."""

    def __init__(self, meeting: Meeting, gateway: Gateway | None) -> None:
        self.meeting, self.phone = meeting, meeting.phone
        self.still: Frame | None = None
        self.gateway = gateway
        self._taken_at = 0
        self._trust = TrustLevel.UNKNOWN

    def record(self, stream: BinaryIO, application: str) -> None:
        """Write every packet as pcapng from now on."""
        places = [(lane, side) for lane in _LANES for side in _SIDES]
        interfaces = [Interface.of(lane.name.lower(), side, LINKTYPE_PACKET) for lane, side in places]
        writer = Writer(stream, interfaces, application=application)
        self.meeting.taps.append(lambda time, side, lane, data: writer.write(places.index((lane, side)), time, data))

    # ── The shot ──

    def shoot(self, mode: int | None = None) -> Iterator[int]:
        """Put the module on, take a still, let the module go; yields how far it is, per cent. Raises ShootingError."""
        phone, meeting = self.phone, self.meeting
        meeting.put_on()
        if not meeting.run_until(lambda: phone.reader.complete, PATIENCE):
            raise ShootingError(self._why("The module cannot be known"))
        yield 5
        if not phone.module_has("SENSOR"):
            raise ShootingError("The module has no sensor: there is nothing to take a picture with.")
        if mode is not None and phone.reader.mode(mode) is None:
            known = ", ".join(str(m.mode) for m in phone.reader.modes)
            raise ShootingError(f"The module has no mode {mode}; it has {known}.")
        phone.user.open(mode)
        phone.user.still()
        until = meeting.now + PATIENCE
        while not phone.frames.stills:
            if meeting.now >= until or phone.runs["ATTACH"].state in ("FAULT", "DETACHED"):
                raise ShootingError(self._why("There is no picture"))
            meeting.run_until(lambda: bool(phone.frames.stills), meeting.now + _LOOK)
            yield 5 + int(90 * phone.frames.progress)
        self.still = phone.frames.stills.popleft()
        self._taken_at, self._trust = meeting.now, phone.trust.level
        phone.user.close()
        if phone.user.eject():
            meeting.run(meeting.now + _EJECT)
        meeting.take_off()
        yield 100

    def _why(self, what: str) -> str:
        states = ", ".join(f"{name} {run.state}" for name, run in self.phone.runs.items())
        said = f" {self.phone.complaints[-1]}" if self.phone.complaints else ""
        return f"{what} after {self.meeting.now / SECOND:.3f} s of link time ({states}).{said}"

    # ── What is left of it ──

    @property
    def mode(self) -> SensorMode:
        """The mode in which the still was taken."""
        number = self._still.mode
        found = None if number is None else self.phone.reader.mode(number)
        if found is None:
            raise ShootingError("The still was taken in a mode that the module does not have.")
        return found

    @property
    def _still(self) -> Frame:
        if self.still is None:
            raise ShootingError("No still has been taken.")
        return self.still

    def write(self, out: Path, preview: Path | None = None) -> None:
        """Write the negative, and a preview. Raises PictureError, OSError."""
        still, records = self._still, self.phone.reader.records
        picture = RawPicture(
            still.leader, still.data, CfaPattern(self.mode.cfa), records["sensor"], still.trailer, still.missing
        )
        story = Story(records.get("identity"), records.get("optics"), track=tuple(self.phone.motion.stabiliser))
        write_dng(out, picture, story)
        if preview is not None:
            write_preview(preview, picture)

    def told(self, seconds: float) -> Iterator[str]:
        """What a user wants to hear of it."""
        still = self._still
        leader = still.leader
        missing = sum(r.count for r in still.missing)
        yield (
            f"{leader.width} × {leader.height} pixels, {leader.size / 1e6:.1f} MB in {leader.blocks} blocks: "
            f"{missing} missing, {still.asked_again} asked for again"
        )
        yield f"the module is {self._trust.name}: {_TRUST[self._trust]}"
        yield f"whole after {self._taken_at / SECOND:.3f} s of link time, {seconds:.1f} s of yours"
        if self.gateway is not None:
            down = self.gateway.channel.tally["down"]
            yield f"{down.codewords} FLITs came down, {down.uncorrectable} beyond correction, {down.unseen} in the dark"


# ── Making one ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def session(
    iut: str,
    *,
    scene: Path | None = None,
    scenario: str | None = None,
    seed: int = 1,
    roots: Sequence[Path] = (),
) -> Iterator[Session]:
    """A phone beside the module that a URI names. A sim: module is made in this process and sees `scene`, or the
    bundled photograph. The phone trusts what leads to the certificates in `roots`, and a sim: module besides. Raises
    UriError, RootError, ScenarioError, PictureError, OSError, and what opening a bench may raise."""
    uri = IutUri.parse(iut)
    gateway = Gateway(load(scenario)) if scenario else None
    phone = Phone()
    trusted = tuple(root for path in roots for root in read_roots(path))
    if trusted:
        phone.trust.anchors = Anchors(trusted, datetime.now(UTC))
    if uri.kind == "sim":
        if uri.rest not in catalogue().profile:
            raise UriError(f"{uri.rest!r} is no profile: {', '.join(catalogue().profile)}.")
        module = Module(uri.rest)
        module.scene = _view(module, scene, seed)
        known = anchors({FIRMWARE: image_digest()})
        phone.trust.anchors = structs.replace(known, roots=(*trusted, *known.roots))
        yield Session(Meeting(phone, module, gateway, seed=seed), gateway)
        return
    if scene is not None:
        raise UriError("A scene can only be put before a sim: module: another sees what it sees.")
    with Bench.open(uri, seed=seed) as bench:
        remote = Remote(bench)
        yield Session(Meeting(phone, remote, gateway, seed=seed, pace=remote.pace), gateway)


def _view(module: Module, scene: Path | None, seed: int) -> Any:
    """What a module of ours sees of a photograph."""
    before = photograph(scene or BUNDLED)
    record = module.identity.record("sensor")

    def view(mode: SensorMode, window: tuple[int, int, int, int], exposure: int, gain: int, frame: int) -> Shot:
        sensor, whole = sensor_of(record, mode), (mode.width, mode.height)
        return Shot(before, sensor, whole, window=window, exposure=exposure, gain=gain, frame=frame, seed=seed)

    return view if record is not None else None
