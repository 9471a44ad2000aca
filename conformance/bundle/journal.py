"""A campaign in real time takes hours, and benches lose power: what it has come to is on disk after every test, and a
campaign that was cut off is taken up where it ended.

    progress.jsonl    first what the campaign is, then a line for each test: its result, and what was seen for the
                      first time in passing

A last line that was cut off is not one: its test is run again. The file is gone when the bundle is there.

Plan: the lines · the journal.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct, structs

from opalink.conformance.bundle.results import Result
from opalink.conformance.papers.documents import DocumentError
from opalink.conformance.purposes import Purpose
from opalink.conformance.runner import Runner
from opalink.conformance.sealed.order import Order
from opalink.conformance.sealed.sources import digest
from opalink.conformance.verdicts import Exit

FILE: Final = "progress.jsonl"

# ── The lines ────────────────────────────────────────────────────────────────────────────────────────


class Head(Struct, frozen=True):
    """Which campaign it is: what was asked for, of which suite."""

    order: Order
    suite: str


class Line(Struct, frozen=True, omit_defaults=True):
    """What became of a test. `seen` are passive requirements that were seen to be kept, `answers` statuses that were
    answered, for the first time in the campaign; `warned` SHOULDs that were not kept, so many times in all."""

    result: Result
    seen: tuple[str, ...] = ()
    answers: tuple[int, ...] = ()
    warned: dict[str, int] = {}


class ResumeError(DocumentError):
    """There is no campaign that could be taken up."""


# ── The journal ──────────────────────────────────────────────────────────────────────────────────────


class Journal:
    """The progress of one campaign, in a folder. With `resume`, that of the campaign that was cut off there. Raises
    ResumeError if it was none, or another one."""

    def __init__(self, folder: Path, order: Order, *, resume: bool = False) -> None:
        self._path = folder / FILE
        lasting = structs.replace(order.options, day=None)  # it may take days
        self._head = Head(structs.replace(order, options=lasting), digest())
        self._lines = self._earlier() if resume else []
        self._known = {line.result.id: line.result for line in self._lines}
        self._seen = {id_ for line in self._lines for id_ in line.seen}
        self._answers = {status for line in self._lines for status in line.answers}
        self._stream: IO[bytes] | None = None

    def __len__(self) -> int:
        """How many tests are known already."""
        return len(self._known)

    def _earlier(self) -> list[Line]:
        try:
            head, *rest = self._path.read_bytes().splitlines()
            found = msgspec.json.decode(head, type=Head)
        except FileNotFoundError:
            raise ResumeError(f"In {self._path.parent} no campaign was cut off.", Exit.NOTHING_RAN) from None
        except (ValueError, msgspec.MsgspecError):
            raise ResumeError(f"{self._path} is no progress of a campaign.") from None
        if found.suite != self._head.suite:
            raise ResumeError(f"The campaign in {self._path.parent} was of another opalink, and cannot be taken up.")
        if found.order != self._head.order:
            raise ResumeError(f"The campaign in {self._path.parent} was another one: it was asked to do otherwise.")
        lines = []
        for text in rest:
            try:
                lines.append(msgspec.json.decode(text, type=Line))
            except msgspec.MsgspecError:
                break
        return lines

    def join(self, runner: Runner) -> None:
        """Tell a runner what was seen before it began."""
        runner.monitor.seen.update(self._seen)
        runner.monitor.answers.update(self._answers)
        for line in self._lines[-1:]:
            runner.warnings.update(line.warned)
        for line in self._lines:
            runner.monitor.broken.update(line.result.charged)

    def step(self, runner: Runner, purpose: Purpose) -> Result:
        """The result of a purpose: the one that is known, or what the runner makes of it, which then is on disk; in
        virtual time it is not, for there a campaign takes a minute."""
        known = self._known.get(purpose.id)
        if known is not None:
            return known
        result = runner.step(purpose)
        if runner.bench.virtual:
            return result
        seen = sorted(runner.monitor.covered().keys() - self._seen)
        answers = sorted(runner.monitor.answers.keys() - self._answers)
        self._seen.update(seen)
        self._answers.update(answers)
        self._write(Line(result, tuple(seen), tuple(answers), dict(runner.warnings)))
        return result

    def _write(self, line: Line) -> None:
        if self._stream is None:
            fresh = self._path.with_suffix(".new")
            self._stream = fresh.open("wb")
            for one in (self._head, *self._lines):  # without a line that was cut off
                self._stream.write(msgspec.json.encode(one) + b"\n")
            fresh.replace(self._path)
        self._stream.write(msgspec.json.encode(line) + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def forget(self) -> None:
        """The campaign has come to its end: there is nothing to be taken up."""
        self._path.unlink(missing_ok=True)


@contextmanager
def journal(folder: Path, order: Order, *, resume: bool = False) -> Iterator[Journal]:
    """The journal of a campaign, which is kept if that does not come to its end. Raises ResumeError."""
    kept = Journal(folder, order, resume=resume)
    try:
        yield kept
        kept.forget()
    finally:
        kept.close()
