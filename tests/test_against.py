"""A campaign beside an earlier one: what has changed, for whoever has changed something."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from opalink.__main__ import cli
from opalink.conformance.bundle import html
from opalink.conformance.bundle.against import BundleError, changes, earlier, sentences
from opalink.conformance.bundle.evidence import bundle
from opalink.conformance.bundle.results import Result
from opalink.conformance.verdicts import Exit, Verdict
from tests.report_samples import campaign

VERDICTS = st.dictionaries(st.sampled_from([f"MOD/A/B/BV-{i}" for i in range(8)]), st.sampled_from(Verdict))


def results(verdicts: dict[str, Verdict]) -> tuple[Result, ...]:
    return tuple(Result(id_, verdict, (), "") for id_, verdict in verdicts.items())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundle")


@given(VERDICTS, VERDICTS)
def test_every_difference_is_of_one_kind(folder: Path, then: dict[str, Verdict], now: dict[str, Verdict]) -> None:
    tests = [{"id": id_, "verdict": verdict} for id_, verdict in then.items()]
    (folder / "report.json").write_text(json.dumps({"tests": tests, "environment": {}, "of another": "format"}))
    c = changes(earlier(folder), results(now))
    named = [*c.worse, *c.better, *c.other, *c.added, *c.gone]
    assert sorted(named) == sorted(id_ for id_ in {**then, **now} if then.get(id_) is not now.get(id_))
    assert all(then[x] is Verdict.PASS for x in c.worse)
    assert all(now[x] is Verdict.PASS for x in c.better)
    assert len(sentences(c)) == 1 + sum(map(bool, (c.worse, c.better, c.other, c.added, c.gone)))


def test_a_report_says_what_has_changed(tmp_path: Path) -> None:
    passed, failed = (campaign(*results({"MOD/A/B/BV-1": v})) for v in (Verdict.PASS, Verdict.FAIL))
    bundle(passed, tmp_path)
    shown = html.render(structs.replace(failed, changes=changes(earlier(tmp_path), failed.results)))
    assert "1 test that passed does no longer: MOD/A/B/BV-1" in shown
    same = html.render(structs.replace(passed, changes=changes(earlier(tmp_path), passed.results)))
    assert "Nothing has changed since" in same


@pytest.mark.parametrize(("text", "exit_"), [(None, Exit.NOTHING_RAN), ("{}", Exit.USAGE), ("\x00", Exit.USAGE)])
def test_what_is_no_bundle_gets_one_sentence(text: str | None, exit_: Exit, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    with pytest.raises(BundleError) as found:
        earlier(tmp_path)
    assert found.value.exit is exit_
    done = CliRunner().invoke(cli, ["certify", "--against", str(tmp_path)])
    assert done.exit_code == exit_


def test_certify_compares_itself_with_an_earlier_bundle(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    command = ["certify", "py:opalink.protocol.engine.module:Module", "-k", "MOD/WIRE/ORDER/BI-fields"]
    assert CliRunner().invoke(cli, [*command, "--out", str(one)]).exit_code == 0
    done = CliRunner().invoke(cli, [*command, "--out", str(two), "--against", str(one)])
    assert done.exit_code == 0, done.output
    assert "Nothing has changed since the campaign of " in done.output
    assert json.loads((two / "report.json").read_bytes())["changes"]["worse"] == []
