"""The codec's functions on envelopes: in C where the extension has been built, in Python elsewhere.

The extension is the C codec around the same value classes, generated with it (`protocol/c99/accelerator.c`). It does
what the codec in Python would accept, and leaves the rest to it, errors included: only a clock tells them apart. One
that was built from another catalogue than that of the checkout is not used; nor is any where the environment says
OPALINK_ACCELERATOR=off.

Plan: choosing · a function.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from opalink.protocol.packets import codec

# ── Choosing ─────────────────────────────────────────────────────────────────────────────────────────

NAME: Final = "opalink.protocol._accelerator"
SOURCE: Final = Path(__file__).with_name("c99") / "accelerator.c"
_MARK = 400  # bytes at whose end a generated file has said of which catalogue it is


def chosen() -> ModuleType:
    """The module that has the functions: the extension, or the codec in Python."""
    if os.environ.get("OPALINK_ACCELERATOR") == "off":
        return codec
    try:
        found = import_module(NAME)
        with SOURCE.open("rb") as file:
            return found if found.FINGERPRINT.encode() in file.read(_MARK) else codec
    except (ImportError, AttributeError, OSError):  # none, one whose names are no longer there, no source
        return codec


# ── A function ───────────────────────────────────────────────────────────────────────────────────────

_chosen: Final = chosen()
_Function = TypeVar("_Function", bound=Callable[..., Any])


def fastest(function: _Function) -> _Function:
    """What does the same as this function of the codec in Python."""
    found: _Function = getattr(_chosen, function.__name__)
    return found
