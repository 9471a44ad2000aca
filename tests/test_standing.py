"""How far a test can be trusted."""

from click.testing import CliRunner

from opalink.__main__ import cli
from opalink.conformance.selection import purposes
from opalink.conformance.standing import Agreed, Standing, agreed, broken, measure, stable, standing
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Role

KNOWN = {p.id: p for p in purposes(Role.MODULE)}
STACK = "MOD/MGT/STACK/BV-resumed"


def test_what_is_agreed_on_belongs_to_this_catalogue_and_this_zoo() -> None:
    """Otherwise: python -m opalink.conformance.standing 'stdio:python tests/independent/macro_tube.py'"""
    assert agreed().catalogue == catalogue().fingerprint
    assert set(agreed().stable) == {t for t in agreed().stable if not broken().isdisjoint(KNOWN[t].requirements)}
    assert not [t for t in agreed().unwitnessed if not broken().isdisjoint(KNOWN[t].requirements)]


def test_a_test_is_stable_when_a_second_reading_passed_it_and_somebody_was_failed() -> None:
    found = measure(["py:tests.second_module:make"], f"{STACK} or MOD/WIRE/CAPACITY")
    assert STACK in found.stable
    assert standing(STACK, found) is Standing.STABLE
    assert stable([STACK]) == 1


def test_a_test_is_provisional_until_then() -> None:
    none = Agreed("", (), (), (STACK,))
    assert standing(STACK, none) is Standing.UNWITNESSED
    assert standing("MOD/CAP/QUEUE/BI-late", none) is Standing.PROVISIONAL


def test_explain_says_how_far_a_test_can_be_trusted() -> None:
    assert "stable: two readings of the text agree" in CliRunner().invoke(cli, ["explain", STACK]).stdout
    alone = next(id_ for id_ in KNOWN if standing(id_) is Standing.PROVISIONAL)
    assert "provisional" in CliRunner().invoke(cli, ["explain", alone]).stdout
