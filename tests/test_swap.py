"""Power the other way: a module with a battery supplies the phone, and the phone takes it back; whatever comes between.

Plan: two sides whose packets may be lost · the contract without light · the way there and back · refusals · removal ·
loss · whatever happens.
"""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opalink.protocol.codec import Packet, Status, decode, encode, event, request
from opalink.protocol.engine.meeting import Meeting, Wire
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.packets import (
    BatteryOperation,
    Lane,
    OperationTag,
    PacketType,
    PowerDirection,
    PwrFault,
    PwrRoleSwap,
    PwrSinkCaps,
    PwrStatus,
)
from opalink.protocol.spdm.reference import anchors
from opalink.spec.form import MS, SECOND, Role

# ── Two sides whose packets may be lost ──────────────────────────────────────────────────────────────

Loses = Callable[[Role, Packet], bool]


class Leaky(Wire):
    """A wire that loses what `loses` says of a packet and its sender."""

    def __init__(self) -> None:
        super().__init__()
        self.loses: Loses = lambda _role, _packet: False
        self.dark = False

    def light(self, _: int, /) -> bool:
        return not self.dark

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        if not self.loses(role, decode(data)):
            super().send(role, lane, data, now)


class Pair(Meeting):
    """A phone that knows the maker's root, and a module that has a battery; every packet is kept."""

    def __init__(self, profile: str = "standalone", seed: int = 1) -> None:
        self.wire = Leaky()
        phone = Phone()
        phone.trust.anchors = anchors()
        self.near = Module(profile)
        super().__init__(phone, self.near, self.wire, seed=seed)
        self.heard: list[tuple[int, Role, Packet]] = []
        self.taps.append(lambda time, role, _, data: self.heard.append((time, role, decode(data))))

    def of(self, kind: PacketType, role: Role) -> list[tuple[int, Packet]]:
        return [(time, p) for time, who, p in self.heard if p.type is kind and who is role]

    @property
    def power(self) -> tuple[str, str]:
        return self.phone.runs["POWER"].state, self.near.runs["POWER"].state

    def until(self, *power: str, within: int = SECOND) -> None:
        assert self.run_until(lambda: self.power == power, self.now + within), self.power

    def hear(self, packet: Packet) -> None:
        """The phone hears a packet that its module has not sent."""
        self.phone.receive(Lane.SIDEBAND, encode(packet), self.now)
        self.run(self.now)


def contract(profile: str = "standalone") -> Pair:
    pair = Pair(profile)
    pair.put_on()
    pair.until("CONTRACT", "CONTRACT", within=2 * SECOND)
    assert pair.run_until(lambda: pair.phone.runs["ATTACH"].state == "READY_FULL", pair.now + SECOND)
    pair.run(pair.now + 200 * MS)  # until the offers that trust has opened are agreed on
    assert pair.power == ("CONTRACT", "CONTRACT")
    return pair


def swapped() -> Pair:
    pair = contract()
    assert pair.phone.supply.take_power()
    pair.until("SINK_CONTRACT", "SOURCE_CONTRACT")
    return pair


def ask_of_phone(pair: Pair, direction: PowerDirection, voltage: int = 5000, current: int = 500) -> Packet:
    """What the phone answers to a PWR_ROLE_SWAP of the module's."""
    pair.hear(request(PwrRoleSwap(direction=direction, voltage=voltage, current=current), 999))
    answers = [p for _, p in pair.of(PacketType.PWR_ROLE_SWAP, Role.PHONE) if p.rsp]
    return answers[-1]


# ── The contract without light ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dark", [60, 200, 1500])
def test_a_lapse_of_light_while_the_supply_changes_costs_neither_power_nor_session(dark: int) -> None:
    pair = Pair("four-thirds")
    pair.put_on()
    pair.until("TRANSITION", "TRANSITION")
    session = pair.phone.contact.session
    pair.wire.dark = True
    pair.run(pair.now + dark * MS)
    assert pair.power == ("CONTRACT", "CONTRACT")
    assert not pair.of(PacketType.PWR_RESET, Role.MODULE)
    pair.wire.dark = False
    assert pair.run_until(lambda: pair.phone.runs["ATTACH"].state == "READY_FULL", pair.now + SECOND)
    assert pair.phone.contact.session == session != 0


def test_a_budget_that_falls_in_the_dark_is_obeyed() -> None:
    pair = contract("four-thirds")
    session = pair.phone.contact.session
    pair.wire.dark = True
    pair.run(pair.now + 100 * MS)
    assert pair.near.runs["ATTACH"].state == "LINK_LOST"
    pair.phone.supply.budget(2000)
    pair.phone.settle()
    pair.run(pair.now + 300 * MS)
    assert pair.power == ("LIMITED", "LIMITED")
    assert pair.near.supply.available <= 2000
    assert not [*pair.of(PacketType.PWR_RESET, Role.PHONE), *pair.of(PacketType.PWR_RESET, Role.MODULE)]
    assert pair.near.session.number == session != 0


# ── There and back ───────────────────────────────────────────────────────────────────────────────────


def test_a_module_with_a_battery_supplies_the_phone() -> None:
    pair = swapped()
    drawing = pair.phone.supply.drawing
    assert drawing is not None
    assert drawing.power == 7500  # class R1
    assert pair.phone.supply.contract is None
    assert not pair.phone.source
    assert pair.near.source


def test_what_the_phone_draws_is_counted_below_zero_and_told_every_100_ms() -> None:
    pair = swapped()
    before = len(pair.of(PacketType.PWR_STATUS, Role.PHONE))
    pair.run(pair.now + SECOND)
    told = pair.of(PacketType.PWR_STATUS, Role.PHONE)[before - 1 :]
    assert all(later - sooner <= 100 * MS for (sooner, _), (later, _) in pairwise(told))
    bodies = [p.body for _, p in told if isinstance(p.body, PwrStatus)]
    assert {b.power for b in bodies} == {-7500}
    assert bodies[-1].energy - bodies[0].energy == pytest.approx(7500, rel=0.11)


def test_the_phone_takes_its_role_back_and_the_module_has_a_contract_as_before() -> None:
    pair = contract()
    before = pair.phone.supply.contract
    assert pair.phone.supply.take_power()
    pair.until("SINK_CONTRACT", "SOURCE_CONTRACT")
    assert pair.phone.supply.give_power()
    pair.run(pair.now + 500 * MS)
    assert pair.power == ("CONTRACT", "CONTRACT")
    assert pair.phone.supply.contract == before
    assert pair.phone.supply.drawing is None
    assert not pair.phone.complaints


def test_a_session_goes_on_while_power_turns_round() -> None:
    pair = contract()
    session = pair.phone.contact.session
    for wish in (pair.phone.supply.take_power, pair.phone.supply.give_power) * 3:
        assert wish()
        pair.run(pair.now + 300 * MS)
    assert pair.phone.contact.session == session
    assert pair.power == ("CONTRACT", "CONTRACT")


def test_a_still_is_taken_while_the_module_supplies_the_phone() -> None:
    pair = swapped()
    pair.phone.user.still()
    assert pair.run_until(lambda: bool(pair.phone.frames.stills), pair.now + 3 * SECOND), pair.phone.complaints
    assert pair.power == ("SINK_CONTRACT", "SOURCE_CONTRACT")


def test_the_phone_says_as_a_sink_what_it_needs() -> None:
    pair = swapped()
    pair.hear(request(PwrSinkCaps(), 998))
    [(_, answer)] = [(t, p) for t, p in pair.of(PacketType.PWR_SINK_CAPS, Role.PHONE) if p.rsp]
    assert answer.status is Status.OK
    assert answer.body.max == 7500


# ── Refusals ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_module_whose_battery_is_low_refuses_and_nothing_changes() -> None:
    pair = contract()
    before = pair.phone.supply.contract
    pair.operate(OperationTag.BATTERY, BatteryOperation(100))
    assert pair.phone.supply.take_power()
    pair.run(pair.now + 200 * MS)
    assert pair.power == ("CONTRACT", "CONTRACT")
    assert pair.phone.supply.contract == before
    assert pair.phone.source
    assert pair.phone.supply.told is Status.PWR_REJECT
    assert pair.phone.complaints[-1] == "The module does not change the direction of power: PWR_REJECT."


def test_a_module_that_cannot_supply_a_phone_is_not_asked_to() -> None:
    pair = contract("four-thirds")
    assert not pair.phone.supply.take_power()
    assert not pair.of(PacketType.PWR_ROLE_SWAP, Role.PHONE)


def test_a_module_that_is_not_believed_does_not_feed_the_phone() -> None:
    pair = Pair()
    pair.phone.trust.anchors = None
    pair.put_on()
    pair.until("CONTRACT", "CONTRACT", within=2 * SECOND)
    pair.run(pair.now + 200 * MS)
    assert not pair.phone.supply.take_power()
    assert ask_of_phone(pair, PowerDirection.TO_PHONE).status is Status.PWR_REJECT
    assert pair.power == ("CONTRACT", "CONTRACT")


def test_one_wish_at_a_time() -> None:
    pair = contract()
    assert pair.phone.supply.take_power()
    assert not pair.phone.supply.take_power()
    pair.until("SINK_CONTRACT", "SOURCE_CONTRACT")
    assert len([p for _, p in pair.of(PacketType.PWR_ROLE_SWAP, Role.PHONE) if not p.rsp]) == 1


@pytest.mark.parametrize(
    ("direction", "voltage", "charges", "status"),
    [
        (PowerDirection.TO_MODULE, 20_000, True, Status.OK),  # it flows there already
        (PowerDirection.TO_PHONE, 5000, False, Status.PWR_REJECT),
        (PowerDirection.TO_PHONE, 5000, True, Status.OK),
    ],
)
def test_a_phone_that_supplies_agrees_or_not(
    direction: PowerDirection, voltage: int, charges: bool, status: Status
) -> None:
    pair = contract()
    pair.phone.supply.charges = charges
    assert ask_of_phone(pair, direction, voltage).status is status
    assert pair.phone.source is not (status is Status.OK and direction is PowerDirection.TO_PHONE)


@pytest.mark.parametrize(
    ("direction", "voltage", "current", "status"),
    [
        (PowerDirection.TO_PHONE, 20_000, 0, Status.OK),  # it flows there already
        (PowerDirection.TO_MODULE, 20_000, 100, Status.PWR_MISMATCH),
        (PowerDirection.TO_MODULE, 5000, 5000, Status.PWR_MISMATCH),
        (PowerDirection.TO_MODULE, 5000, 500, Status.OK),
    ],
)
def test_a_phone_that_draws_agrees_or_not(
    direction: PowerDirection, voltage: int, current: int, status: Status
) -> None:
    pair = swapped()
    assert ask_of_phone(pair, direction, voltage, current).status is status
    assert pair.phone.source is (status is Status.OK and direction is PowerDirection.TO_MODULE)


# ── Removal ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("after", [0, 1, 20, 39, 40, 41, 60, 79, 80, 81, 120])
@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_a_module_torn_off_in_the_middle_leaves_both_sides_as_they_began(after: int, back: bool) -> None:
    pair = swapped() if back else contract()
    assert pair.phone.supply.give_power() if back else pair.phone.supply.take_power()
    pair.run(pair.now + after * MS)
    pair.take_off()
    pair.run(pair.now + 100 * MS)  # tForcedRemoval
    assert pair.power == ("OFF", "OFF")
    assert pair.phone.source
    assert not pair.near.source
    pair.put_on()
    pair.until("CONTRACT", "CONTRACT", within=3 * SECOND)


def test_a_fault_of_either_side_ends_the_swap_on_boot_power() -> None:
    pair = swapped()
    pair.hear(event(PwrFault(latched=1)))
    assert pair.power[0] == "FAULT"
    assert pair.phone.source
    assert pair.phone.supply.drawing is None
    other = swapped()
    other.phone.supply.condition(Status.OVERCURRENT, True)
    other.phone.settle()
    other.run(other.now + 10 * MS)
    assert other.power == ("FAULT", "FAULT")
    assert not other.near.source


# ── Loss ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lost", [1, 2])
def test_an_answer_that_is_lost_is_had_by_asking_again_and_the_swap_happens_once(lost: int) -> None:
    pair = contract()
    left = [lost]

    def loses(role: Role, p: Packet) -> bool:
        hit = role is Role.MODULE and p.type is PacketType.PWR_ROLE_SWAP and left[0] > 0
        left[0] -= hit
        return hit

    pair.wire.loses = loses
    assert pair.phone.supply.take_power()
    pair.run(pair.now + 300 * MS)
    asked = [p for _, p in pair.of(PacketType.PWR_ROLE_SWAP, Role.PHONE)]
    assert len(asked) == lost + 1
    assert len({p.txn for p in asked}) == 1
    assert pair.phone.source is not pair.near.source


def test_a_swap_that_nobody_answers_is_given_up_in_a_sentence_and_power_falls_to_boot() -> None:
    pair = contract()
    pair.wire.loses = lambda role, p: role is Role.MODULE and p.type is PacketType.PWR_ROLE_SWAP
    assert pair.phone.supply.take_power()
    pair.run(pair.now + SECOND)
    assert "The module did not answer PWR_ROLE_SWAP, which was sent 3 times." in pair.phone.complaints
    assert pair.power == ("FAULT", "FAULT")
    assert pair.phone.source
    assert not pair.near.source


# ── Whatever happens ─────────────────────────────────────────────────────────────────────────────────

_STEPS = st.tuples(
    st.sampled_from(["take", "give", "take", "give", "off", "dark", "low", "full", "wait", "budget"]),
    st.integers(0, 150),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(_STEPS, min_size=1, max_size=12), lost=st.sets(st.integers(0, 60), max_size=6))
def test_at_rest_one_side_and_only_one_is_the_source(steps: list[tuple[str, int]], lost: set[int]) -> None:
    pair = contract()
    seen = iter(range(1 << 30))
    pair.wire.loses = lambda _, p: p.type is PacketType.PWR_ROLE_SWAP and next(seen) in lost
    for what, ms in steps:
        match what:
            case "take":
                pair.phone.supply.take_power()
            case "give":
                pair.phone.supply.give_power()
            case "off":
                pair.take_off()
                pair.run(pair.now + 150 * MS)
                pair.put_on()
            case "dark":
                pair.wire.dark = True
                pair.run(pair.now + 2 * MS)
                pair.wire.dark = False
            case "low" | "full":
                pair.operate(OperationTag.BATTERY, BatteryOperation(100 if what == "low" else 900))
            case "budget":
                pair.phone.supply.budget(1500 if ms % 2 else 10_000)
                pair.phone.settle()
        pair.run(pair.now + ms * MS)
    pair.wire.loses = lambda _role, _packet: False
    pair.run(pair.now + 2 * SECOND)
    assert pair.phone.source is not pair.near.source, pair.power
    ended = {
        ("CONTRACT", "CONTRACT"), ("LIMITED", "LIMITED"), ("SINK_CONTRACT", "SOURCE_CONTRACT"), ("FAULT", "FAULT"),
    }  # fmt: skip
    assert pair.power in ended
