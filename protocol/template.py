"""A module over standard input and output, in one file, to begin your own from: a macro tube with your name on it.

    opalink module template my_module.py
    opalink probe   'stdio:python my_module.py' -o pics.toml
    opalink certify 'stdio:python my_module.py' --pics pics.toml

The endpoint underneath executes the machines of the specification and answers what every module answers. Yours is
what the module is, what it does beyond that, and whatever you change until the certificate says otherwise. Firmware
of your own needs none of this: it speaks the bench binding (`opalink.spec.bench`) over any of its channels.

Plan: what it is · what it does · on the bench.
"""

from enum import IntEnum
from typing import Any, Final

from msgspec import structs

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.management import Management
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Feature, VendorResponse
from opalink.protocol.transport.host import listen
from opalink.spec.form import Profile

# ── What it is ───────────────────────────────────────────────────────────────────────────────────────
# The descriptor of a profile's reference module (`opalink spec show macro-tube`), with what is different in yours.
# Numbers are wire values: their units and scales are in the catalogue (`opalink spec show IdentityRecord`).

BASE: Final = "macro-tube"
VENDOR: Final = 0x02_4F_50  # your OUI; this one is administered locally
FEATURES: Final = Feature.STACK | Feature.VENDOR

MINE: Final[dict[str, dict[str, Any]]] = {
    "identity": {
        "vendor": VENDOR,
        "vendor_name": "Your company",
        "model": 12,
        "model_name": "Macro tube 12 mm",
        "serial": b"0000000000000001".hex(),
        "hardware": 1,
        "firmware": 0x0001_0000,
    },
    "features": {"features": int(FEATURES)},
    "geometry": {"mass": 24, "depth": 12_000},
    "power": {"peak": 40},
}


def described() -> Profile:
    """The profile with this module's own records."""
    base = catalogue().profile[BASE]
    records = tuple((name, {**fields, **MINE.get(name, {})}) for name, fields in base.descriptor)
    return structs.replace(base, descriptor=records)


# ── What it does ─────────────────────────────────────────────────────────────────────────────────────
# A request is answered by the method of its name: `answer_vendor` for VENDOR. It returns the value class of the
# response, or raises RefusedError with a status that `opalink spec show VENDOR` lists and the offset of the field.
# The endpoint has by then checked the packet: version, direction, state, lengths, ranges, members.


class Request(IntEnum):
    """The vendor's own requests: `sub` of VENDOR."""

    READ_SERIAL = 1
    ECHO = 2


class Own(Management):
    """The vendor's own requests; everything else of the chapter stays as it is."""

    def answer_vendor(self, cause: Cause) -> VendorResponse:
        ask = cause.body
        if ask.oui != VENDOR:
            raise RefusedError(Status.NO_SUCH_ID, at=0)
        match ask.sub:
            case Request.READ_SERIAL:
                return VendorResponse(data=bytes(self.end.identity.records["identity"].serial))
            case Request.ECHO:
                return VendorResponse(data=bytes(ask.data))
        raise RefusedError(Status.NO_SUCH_ID, at=3)


class MyModule(Module):
    """The reference module with our own part in the place of one of its parts."""

    parts = tuple(Own if part is Management else part for part in Module.parts)

    def __init__(self) -> None:
        super().__init__(described())


# ── On the bench ─────────────────────────────────────────────────────────────────────────────────────


def make() -> MyModule:
    """For `py:my_module:make`, which certifies it without a process of its own."""
    return MyModule()


if __name__ == "__main__":
    listen("stdio:", make)
