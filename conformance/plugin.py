"""A campaign as a run of pytest: each test purpose is an item, and the bundle is left when the session ends.

    pytest --pyargs opalink.conformance --iut URI

pytest selects by its own -k and -m on the IDs of the purposes, stops by its own -x, and reports. The verdicts are those
of `opalink certify`: nothing is a success but PASS, and where every item has passed and the campaign still has not
(something was not run that is owed), the session fails; where all that failed is waived, its exit code is 7. What was
not chosen, or came behind a stop, is not of the campaign: such a run has no level.

Plan: the hooks · the items · what is said of one.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from opalink.conformance import campaign as campaigns
from opalink.conformance.bundle.evidence import bundle
from opalink.conformance.bundle.report import printable
from opalink.conformance.bundle.results import Campaign, Environment, Result
from opalink.conformance.campaign import Certification, begin
from opalink.conformance.levels import Reach
from opalink.conformance.papers.documents import DocumentError
from opalink.conformance.purposes import Plan, Purpose
from opalink.conformance.runner import Options
from opalink.conformance.selection import select
from opalink.conformance.verdicts import EXITS, Conclusion, Verdict
from opalink.protocol.ir.load import catalogue
from opalink.protocol.transport import BenchError, UriError

_HOME = Path(campaigns.__file__).resolve()  # the module in whose place the items are collected

# ── The hooks ────────────────────────────────────────────────────────────────────────────────────────


class Conformance:
    """One implementation, for one session of pytest."""

    def __init__(self, config: pytest.Config) -> None:
        if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
            raise pytest.UsageError("One implementation is tested by one process: --iut does not go with -n.")
        option = config.getoption
        level, seed = option("--iut-level"), option("--iut-seed")
        file, waivers = option("--iut-pics"), option("--iut-waivers")
        if not 0 <= seed < 1 << 64:
            raise pytest.UsageError("--iut-seed is from 0 to 18446744073709551615.")
        self.out = Path(option("--iut-out"))
        self.options = Options(
            Plan(option("--iut-plan")), pics=Path(file) if file else None, seed=seed, clock=option("--iut-clock"),
            plane=option("--iut-plane"), level=Reach(level) if level else None,
            waivers=Path(waivers) if waivers else None,
        )  # fmt: skip
        self.uri: str = option("--iut")
        self.started = datetime.now(UTC)
        self.certification: Certification | None = None
        self.all = 0  # purposes of the plan
        self.run: list[tuple[Purpose, Result]] = []
        self.concluded: Campaign | None = None

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """The suite stands where the campaign is defined."""
        if file_path.name == _HOME.name and file_path.resolve() == _HOME:
            return Suite.from_parent(parent, path=file_path, conformance=self)
        return None

    def connect(self) -> Certification:
        """The campaign under way: begun when it is first asked for. Raises whatever `begin` does."""
        if self.certification is None:
            self.certification = begin(self.uri, self.options)
        return self.certification

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Leave the bundle of whatever was run."""
        if self.certification is None:
            return
        runner = self.certification.runner
        runner.close()
        if session.config.getoption("collectonly"):
            return
        partial = len(self.run) < self.all
        if partial:
            words = session.config.getoption("keyword") or "a part"
            runner.options = structs.replace(runner.options, selection=words)
        concluded = self.certification.conclude([p for p, _ in self.run], [r for _, r in self.run])
        self.concluded = structs.replace(concluded, environment=Environment.since(self.started, "pytest"))
        bundle(self.concluded, self.out)
        if session.exitstatus == pytest.ExitCode.OK and concluded.verdict is not Conclusion.CONFORMANT:
            known = concluded.verdict is Conclusion.KNOWN
            session.exitstatus = EXITS[concluded.verdict] if known else pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The campaign's verdict, below pytest's own."""
        if (c := self.concluded) is None:
            return
        level = f" at level {c.level}" if c.level else ""
        terminalreporter.section("opalink")
        terminalreporter.line(printable(f"{c.iut}: {c.verdict.upper()}{level}. {c.reason}".rstrip()))
        terminalreporter.line(f"{self.out / 'report.html'}")


# ── The items ────────────────────────────────────────────────────────────────────────────────────────


class Suite(pytest.File):
    """The purposes of a plan for the role that the implementation has."""

    def __init__(self, *, conformance: Conformance, **more: Any) -> None:
        super().__init__(**more)
        self.conformance = conformance

    def collect(self) -> Iterator["Item"]:
        try:
            certification = self.conformance.connect()
        except (UriError, DocumentError, BenchError) as error:
            raise self.CollectError(printable(str(error))) from None
        if certification.stopped:
            raise self.CollectError(printable(" ".join(certification.stopped)))
        chosen = select(certification.runner.role, self.conformance.options.plan)
        self.conformance.all = len(chosen)
        for purpose in chosen:
            yield Item.from_parent(self, name=purpose.id, purpose=purpose, conformance=self.conformance)


class Item(pytest.Item):
    """One purpose. What a person asks of it stands in `user_properties`, from where JUnit takes it."""

    def __init__(self, *, purpose: Purpose, conformance: Conformance, **more: Any) -> None:
        super().__init__(**more)
        self.purpose, self.conformance = purpose, conformance
        self.user_properties += [("requirement", r) for r in purpose.requirements]
        self.user_properties.append(("purpose", purpose.sentence))

    def runtest(self) -> None:
        certification = self.conformance.connect()
        result = certification.runner.step(self.purpose)
        self.conformance.run.append((self.purpose, result))
        self.user_properties.append(("verdict", result.verdict.value))
        if result.verdict in (Verdict.NA, Verdict.NOTRUN):
            pytest.skip(printable(result.reason))
        if waiver := certification.settled(result).waived:
            pytest.skip(printable(f"Waived by {waiver}. {result.actual or result.reason}"))
        if result.verdict is not Verdict.PASS:
            raise NotPassed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotPassed):
            return said(excinfo.value.result)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.purpose.id


# ── What is said of one ──────────────────────────────────────────────────────────────────────────────


class NotPassed(Exception):  # noqa: N818  it says what became of a test
    """A verdict that is no PASS."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.verdict.value)
        self.result = result


def said(result: Result) -> str:
    """The verdict, with every requirement that it rests on in full."""
    known = catalogue().requirement
    lines = [f"{result.verdict.upper()}: {result.sentence}"]
    lines += [f"{i}: {known[i].text}" if i in known else i for i in dict.fromkeys(result.charged)]
    lines += [f"Expected: {result.expected}", f"Actual: {result.actual}"] if result.expected else []
    lines += [result.reason] if result.reason else []
    return printable("\n".join(lines))
