"""What has changed since an earlier campaign: by test, whatever became of it then and now.

Plan: the changes · an earlier report · comparing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from opalink.conformance.bundle.results import Changes, Result
from opalink.conformance.papers.documents import DocumentError
from opalink.conformance.verdicts import Exit, Verdict

# ── An earlier report ────────────────────────────────────────────────────────────────────────────────

REPORT: Final = "report.json"


class BundleError(DocumentError):
    """A bundle that there is nothing to be read from."""


class _Tested(Struct):
    id: str
    verdict: Verdict


class _Environment(Struct):
    started: str = ""


class Earlier(Struct):
    """What a comparison needs of a report, of whatever format it is."""

    tests: tuple[_Tested, ...]
    environment: _Environment

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        return {t.id: t.verdict for t in self.tests}


def earlier(bundle: Path) -> Earlier:
    """The report of an earlier campaign, from its bundle. Raises BundleError."""
    path = bundle / REPORT
    try:
        return msgspec.json.decode(path.read_bytes(), type=Earlier)
    except OSError as gone:
        raise BundleError(f"The report {str(path)!r} cannot be read: {gone.strerror}.", Exit.NOTHING_RAN) from None
    except msgspec.MsgspecError as wrong:
        raise BundleError(f"{str(path)!r} is no report of a campaign: {wrong}.") from None


# ── Comparing ────────────────────────────────────────────────────────────────────────────────────────


def changes(before: Earlier, results: Sequence[Result]) -> Changes:
    """What has changed since."""
    then, now = before.verdicts, {r.id: r.verdict for r in results}
    both = [id_ for id_ in now if id_ in then and then[id_] is not now[id_]]
    return Changes(
        since=before.environment.started,
        worse=tuple(id_ for id_ in both if then[id_] is Verdict.PASS),
        better=tuple(id_ for id_ in both if now[id_] is Verdict.PASS),
        other=tuple(id_ for id_ in both if Verdict.PASS not in (then[id_], now[id_])),
        added=tuple(id_ for id_ in now if id_ not in then),
        gone=tuple(id_ for id_ in then if id_ not in now),
    )


_WORDS: Final = {
    "worse": "that passed {} no longer",
    "better": "that did not pass {} now",
    "other": "that did not pass {} otherwise now",
    "added": "{} new",
    "gone": "{} not there any more",
}
_VERBS: Final = {"worse": ("does", "do"), "better": ("does", "do"), "other": ("ends", "end")}
_MOST: Final = 10  # tests that are named


def sentences(c: Changes) -> list[str]:
    """The changes in words: a sentence for each kind, the first tests by name."""
    out = []
    for kind, words in _WORDS.items():
        ids: tuple[str, ...] = getattr(c, kind)
        if ids:
            verb = _VERBS.get(kind, ("is", "are"))[len(ids) != 1]
            names = ", ".join(ids[:_MOST]) + (" …" if len(ids) > _MOST else "")
            out.append(f"{len(ids):,} test{'s' * (len(ids) != 1)} {words.format(verb)}: {names}")
    when = f"the campaign of {c.since}" if c.since else "the earlier campaign"
    return [f"Since {when}:", *out] if out else [f"Nothing has changed since {when}."]
