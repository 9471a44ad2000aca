"""Scenarios of power and of its roles.

Plan: power · a role swap.
"""

from collections.abc import Callable
from typing import Any

from opalink.protocol import codec
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.packets import (
    BatteryOperation,
    Lane,
    OperationTag,
    PowerDirection,
    PowerResetLevel,
    PwrBudget,
    PwrFault,
    PwrReady,
    PwrRequest,
    PwrRequestError,
    PwrRequestResponse,
    PwrReset,
    PwrRoleSwap,
)
from tests.engine_rows.watched import Fired, Watched, scenario

# ── Power ────────────────────────────────────────────────────────────────────────────────────────────


class Source(Watched):
    """Answers requests for power as it is told to, one after the other."""

    def __init__(self, fired: Fired, profile: str = "four-thirds") -> None:
        super().__init__(fired, profile)
        self.plan: list[Any] = []

    def oblige(self, packet: codec.Packet, lane: Lane) -> None:
        if packet.type is not PacketType.PWR_REQUEST:
            super().oblige(packet, lane)
            return
        match self.plan.pop(0) if self.plan else "grant":
            case "silence":
                return
            case "accept":
                self.deliver(codec.response(packet, PwrRequestResponse()), lane)
            case Status() as status:
                body = PwrRequestError(retry_after=200) if status is Status.PWR_WAIT else PwrRequestError()
                self.deliver(codec.response(packet, body, status), lane)
            case "newer":
                self.tell(self.offers(9), lane)
                self.deliver(codec.response(packet, PwrRequestError(), Status.PWR_REJECT), lane)
            case _:
                super().oblige(packet, lane)


@scenario
def refusals(make: Callable[..., Watched]) -> None:
    phone = make(kind=Source)
    assert isinstance(phone, Source)
    phone.open()
    phone.tell(phone.offers(1))  # granted
    for budget in (60_000, 500):
        phone.status(PwrBudget(max=budget))
        for n, reply in enumerate((Status.PWR_REJECT, Status.PWR_WAIT, Status.BUSY)):
            phone.plan = [reply]
            phone.tell(phone.offers(2 + n))
            phone.tell(phone.offers(20 + n))
            phone.run(500)
    phone.plan = ["newer"]
    phone.tell(phone.offers(40))
    phone.status(PwrBudget(max=1))


@scenario
def first_refusals(make: Callable[..., Watched]) -> None:
    for reply in (Status.PWR_REJECT, Status.PWR_WAIT, "newer"):
        phone = make(kind=Source)
        assert isinstance(phone, Source)
        phone.open()
        phone.plan = [reply]
        phone.tell(phone.offers(1))
        phone.status(PwrBudget(max=900))
        phone.run(300)
        phone.tell(phone.offers(3))


@scenario
def no_offers(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.open()
    phone.run(1000)
    asked = phone.since(0, PacketType.PWR_RESET)
    assert [p.body.level for p in asked] == [PowerResetLevel.SOFT, PowerResetLevel.SOFT]
    phone.supply()
    phone.run(1000)
    assert len(phone.since(0, PacketType.PWR_RESET)) == 2


@scenario
def refused_after_no_answer(make: Callable[..., Watched]) -> None:
    for reply in (Status.PWR_REJECT, Status.PWR_WAIT, "newer"):
        phone = make(kind=Source)
        assert isinstance(phone, Source)
        phone.open()
        phone.tell(phone.offers(1))
        phone.plan = ["silence", reply, "silence"]
        phone.tell(phone.offers(2))
        phone.run(30)
        phone.tell(phone.offers(2))
        assert phone.module.supply.contract is None
        assert phone.state("POWER") == ("REQUESTED" if reply == "newer" else "CAPS_SEEN")


@scenario
def no_answer(make: Callable[..., Watched]) -> None:
    phone = make(kind=Source)
    assert isinstance(phone, Source)
    phone.open()
    phone.plan = ["silence"] * 9
    phone.tell(phone.offers(1))
    phone.run(30)
    phone.tell(phone.offers(2))
    phone.run(100)
    other = make(kind=Source)
    assert isinstance(other, Source)
    other.open()
    other.plan = ["silence"] * 9
    other.tell(other.offers(1))
    other.run(100)


@scenario
def no_voltage(make: Callable[..., Watched]) -> None:
    phone = make(kind=Source)
    assert isinstance(phone, Source)
    phone.open()
    phone.plan = ["accept"]
    phone.tell(phone.offers(1))
    phone.run(200)
    phone.tell(phone.offers(1))
    phone.run(200)
    phone.plan = ["accept", "accept"]
    phone.tell(phone.offers(2))
    phone.status(PwrBudget(max=900))
    phone.tell(phone.offers(3))
    phone.tell(PwrReady(voltage=5000, limit=600, contract=1))
    phone.tell(PwrReady(voltage=5000, limit=600, contract=2))
    phone.plan = ["accept"]
    phone.tell(phone.offers(4))
    phone.tell(PwrReset(level=PowerResetLevel.SOFT))
    phone.tell(phone.offers(5))
    phone.tell(PwrReset(level=PowerResetLevel.HARD))
    phone.run(50)


@scenario
def power_faults(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.tell(PwrFault(latched=1))
    phone.detach()
    phone.ready()
    phone.condition(Status.OVERCURRENT)
    phone.detach()


@scenario
def no_contract(make: Callable[..., Watched]) -> None:
    phone = make("macro-tube")
    phone.open()
    phone.tell(phone.offers())


# ── A role swap ──────────────────────────────────────────────────────────────────────────────────────


def swapped(make: Callable[..., Watched], *, contract: bool = False) -> Watched:
    """A phone that its module supplies."""
    phone = make("standalone")
    phone.ready()
    phone.status(PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=5000, current=1000))
    phone.run(50)
    if contract:
        phone.status(PwrRequest(generation=1, operating=500, max=900))
        phone.run(50)
    return phone


@scenario
def swap_refused(make: Callable[..., Watched]) -> None:
    phone = make("standalone")
    phone.ready()
    phone.status(PwrRoleSwap(voltage=5000))
    phone.status(PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=9000))
    phone.operate(OperationTag.BATTERY, BatteryOperation(100))
    phone.status(PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=5000))


@scenario
def swap_and_back(make: Callable[..., Watched]) -> None:
    phone = swapped(make, contract=True)
    phone.status(PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=5000))
    phone.status(PwrRequest(generation=9))
    phone.tell(PwrReset(level=PowerResetLevel.SOFT))
    phone.status(PwrRoleSwap(voltage=5000))
    phone.supply(2)


@scenario
def swap_ended(make: Callable[..., Watched]) -> None:
    swapped(make).tell(PwrReset(level=PowerResetLevel.HARD))
    swapped(make).tell(PwrFault(latched=1))
    swapped(make).condition(Status.OVERCURRENT)
    swapped(make).greet()
    swapped(make).detach()
