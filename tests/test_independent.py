"""A module that was written from the published document alone: the suite passes it, and sees its mistakes."""

import ast
import shlex
import sys
from pathlib import Path

import pytest

from opalink.conformance import Conclusion, Options, Plan, certify
from tests.independent import macro_tube

PROGRAM = Path(macro_tube.__file__)

# A mistake in it, as one piece of its text in the place of another, and a test that says so.
MISTAKES = {
    "resumes whatever is asked": (
        "resume != self.session\n                or last_phone != self.phone_nonce",
        "False",
        "MOD/ATT/RESUME/BI-phone_nonce",
    ),
    "never gives the link up": ('timer == "loss" and self.session', "False", "MOD/ATT/ALIVE/TI-given_up"),
    "holds a session for ever": ('elif timer == "holdover"', "elif False", "MOD/ATT/RESUME/TI-outside"),
    "takes half of a group": ("if group and tag in PROPERTIES", "if False", "MOD/MGT/PROP_SET/BI-group"),
    "waits for a time that it does not know": ("if apply == 2:", "if False:", "MOD/MGT/PROP_SET/BI-timeless"),
    "says nothing of its stack when resumed": (
        "        self.report_stack()\n\n    def on_desc_read",
        "        if not resume:\n            self.report_stack()\n\n    def on_desc_read",
        "MOD/MGT/STACK/BV-resumed",
    ),
    "counts its states from one": (
        "M_ATTACH, self.state,", "M_ATTACH, self.state + 1,", "MOD/ATT/RESUME/BV-same",
    ),
    "goes on with a session after a restart": (
        "            self.end_session()\n            self.boot()\n\n\ndef", "            self.boot()\n\n\ndef",
        "MOD/ATT/START/BV-warm",
    ),
    "is reset to what it was made as before it is greeted": (
        "if level == 3 and self.state != READY_FULL", "if False", "MOD/ATT/RESET/BO-factory_beacon",
    ),
    "counts on through a loss of power": (
        "        self.keepalives = 0\n        self.own", "        self.own", "MOD/ATT/START/BV-keepalive",
    ),
    "keeps the answer to another version": (
        "self.answer(answer, BAD_VERSION, keep=False)", "self.answer(answer, BAD_VERSION)", "MOD/ATT/STORED/BI-version",
    ),
}  # fmt: skip


def uri(program: Path) -> str:
    return f"stdio:{shlex.quote(sys.executable)} {shlex.quote(str(program))}"


def test_it_knows_nothing_of_ours() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(PROGRAM.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or "."])
    }
    assert imported <= sys.stdlib_module_names


def test_it_conforms() -> None:
    made = certify(uri(PROGRAM), Options(plan=Plan.CI, plane="packet"))
    assert made.verdict is Conclusion.CONFORMANT
    assert made.summary["pass"] > 1000


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_it_is_seen(mistake: str, tmp_path: Path) -> None:
    right, wrong, test = MISTAKES[mistake]
    text = PROGRAM.read_text()
    assert text.count(right) == 1
    (tmp_path / "mistaken.py").write_text(text.replace(right, wrong))
    made = certify(uri(tmp_path / "mistaken.py"), Options(plan=Plan.CI, plane="packet", selection=test))
    assert [r.id for r in made.results if r.verdict == "fail"] == [test]
