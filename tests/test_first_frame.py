"""The first frame is there in time, with parts as fast as the timers' nominal values; each side keeps its budget."""

from collections.abc import Callable

import pytest
from msgspec import structs

from opalink.protocol import first_frame
from opalink.protocol.engine.module import modes
from opalink.protocol.first_frame import COLD, WARM, FirstFrame, cold, resumed, warm
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import MS

CAMERAS = [p.name for p in catalogue().profiles if "SENSOR" in p.requires]
TIMERS = catalogue().timer


@pytest.mark.parametrize("profile", CAMERAS)
@pytest.mark.parametrize(
    ("way", "limit", "budget"),
    [(cold, COLD, "tFirstFrameCold"), (warm, WARM, "tFirstFrameWarm"), (resumed, WARM, "tFirstFrameWarm")],
)
def test_the_first_frame_of_a_camera_is_there_in_time(
    profile: str, way: Callable[[str], FirstFrame], limit: int, budget: str
) -> None:
    found = way(profile)
    assert found.whole <= limit, found
    assert found.module <= (TIMERS[budget].max or 0), found


def test_the_shares_make_the_whole_and_the_steps_rise() -> None:
    found = cold("zoom-flash")
    assert found.module + found.training + found.phone == found.whole
    times = [at for _, at in found.steps]
    assert times[-1] == found.whole
    assert [name for name, _ in found.steps][:2] == ["power", "the module's BEACON"]
    assert found.training == TIMERS["tTrain"].nominal


def test_the_phones_share_holds_what_the_timers_give_it_before_power() -> None:
    nominal = (TIMERS["tDockDebounce"].nominal or 0) + (TIMERS["tClassify"].nominal or 0)
    assert dict(cold("zoom-flash").steps)["power"] == nominal


def test_a_slower_part_is_later_by_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cold("zoom-flash")
    slower = structs.replace(TIMERS["tHello"], nominal=(TIMERS["tHello"].nominal or 0) + 25 * MS)
    monkeypatch.setitem(TIMERS, "tHello", slower)
    after = cold("zoom-flash")
    assert after.module - before.module == pytest.approx(25 * MS, abs=MS)


def test_a_camera_that_starts_too_slowly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modes, "_START_LATENCY", 60)
    found = warm("four-thirds")
    assert found.whole > WARM
    assert found.module > (TIMERS["tFirstFrameWarm"].max or 0)


def test_a_module_that_never_sends_a_frame_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_frame, "_PATIENCE", 10 * MS)
    with pytest.raises(RuntimeError, match="the phone is in ATTACH"):
        cold("four-thirds")
