"""What the C codec costs a firmware: the table is fresh, and within the budget."""

from pathlib import Path

import pytest

from opalink.protocol.generate.c.sizes import BUDGET, CORES, CROSS, compiler, size, stated
from opalink.protocol.ir.load import catalogue

TABLE = (Path(__file__).resolve().parent.parent / "docs" / "c99-sizes.md").read_text(encoding="utf-8")
KEYS = [(profile, core) for profile in ("", *(p.name for p in catalogue().profiles)) for core in CORES]
DRIFT = 0.02  # what a change in the catalogue may cost before the table has to be made again

needs_cross = pytest.mark.skipif(not compiler(), reason=f"{CROSS} is not installed")


def test_the_table_has_every_profile_on_every_core() -> None:
    assert list(stated(TABLE)) == KEYS


@pytest.mark.parametrize(("profile", "core"), KEYS)
def test_the_table_is_within_the_budget(profile: str, core: str) -> None:
    assert stated(TABLE)[profile, core] <= BUDGET.get(profile, BUDGET[""])


@needs_cross
@pytest.mark.parametrize(("profile", "core"), [("", "Cortex-M0+"), ("macro-tube", "Cortex-M4")])
def test_the_codec_is_within_the_budget(profile: str, core: str) -> None:
    found = size(catalogue(), profile, core)
    assert found <= BUDGET[profile]
    if compiler() in TABLE:
        assert found <= stated(TABLE)[profile, core] * (1 + DRIFT), "make docs/c99-sizes.md again"
