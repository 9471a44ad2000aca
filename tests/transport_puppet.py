"""An endpoint that does what its packets say, in this process or as a program:

python transport_puppet.py URI
"""

import os
import sys
import time
from heapq import heappop, heappush

from msgspec import Struct

from opalink.protocol.packets.enums import Lane, OperationTag, Outcome, ResetKind
from opalink.protocol.runtime import Tlv
from opalink.protocol.transport import Arrival, listen
from opalink.spec.form import Role

COMMAND = f"{sys.executable} {__file__}"


class Leaving(Struct):
    time: int
    lane: Lane
    data: bytes


class Puppet:
    """Does what it is sent: words of ASCII."""

    role = Role.MODULE
    name = "puppet"
    operations = sum(1 << x for x in (OperationTag.ATTACH, OperationTag.LANE_DOWN, OperationTag.LANE_UP))

    def __init__(self) -> None:
        self.out: list[Leaving] = []
        self.timers: list[tuple[int, Lane, int]] = []

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        word, *numbers = data.decode().split()
        match word, [int(x) for x in numbers]:
            case "echo", [size, count]:
                self.out += [Leaving(now, lane, bytes(size))] * count
            case "planned", [delay]:
                self.out.append(Leaving(now + delay, lane, data))
            case "after", [delay]:
                heappush(self.timers, (now + delay, lane, 0))
            case "every", [period]:
                heappush(self.timers, (now + period, lane, period))
            case "die", [status]:
                print("last words", file=sys.stderr, flush=True)  # noqa: T201
                os._exit(status)
            case "raise", []:
                raise ZeroDivisionError("a defect")
            case "exit", []:
                sys.exit(4)
            case "hang", []:
                time.sleep(600)
            case "print", []:
                print("chatter that is no record", flush=True)  # noqa: T201
            case _:
                self.out.append(Leaving(now, lane, data))

    def deadline(self) -> int | None:
        return self.timers[0][0] if self.timers else None

    def advance(self, now: int) -> None:
        while self.timers and self.timers[0][0] <= now:
            due, lane, period = heappop(self.timers)
            self.out.append(Leaving(due, lane, b"timer"))
            if period:
                heappush(self.timers, (due + period, lane, period))

    def outbox(self) -> list[Leaving]:
        out, self.out = self.out, []
        return out

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:  # noqa: ARG002
        return Outcome.DONE, ()

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:  # noqa: ARG002
        self.out.clear()
        self.timers.clear()


def anything(_: Arrival) -> bool:
    return True


def nothing(_: Arrival) -> bool:
    return False


if __name__ == "__main__":
    listen(sys.argv[1], Puppet, lambda uri: print(uri, flush=True))  # noqa: T201
