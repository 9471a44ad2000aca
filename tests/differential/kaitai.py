"""What kaitai-struct-compiler makes of a catalogue, beside what construct says: on bytes, CRCs apart."""

from collections.abc import Callable, Iterator
from typing import Any

from opalink.protocol.generate.ksy import run
from opalink.protocol.ir.names import camel
from tests.differential.agreement import BodyCase, Case, FrameCase
from tests.differential.reference import Refused


def said(read: Callable[[], Any]) -> Any:
    """What is read; None for what is refused."""
    try:
        return read()
    except run.refusals():
        return None


def differences(found: Iterator[Case], reads: run.Reading) -> Iterator[str]:
    """Where Kaitai and construct differ. It writes nothing, so cases of values are passed over."""
    for case in found:
        if isinstance(case, BodyCase):
            expected, got = case.expected, said(lambda case=case: reads.layout(case.layout.name, case.data))  # type: ignore[misc]
        elif isinstance(case, FrameCase):
            expected, got = case.unchecked, said(lambda case=case: framed(reads, case))  # type: ignore[misc]
        else:
            continue
        if got != (None if isinstance(expected, Refused) else expected):
            yield f"{case}: construct says {expected}, Kaitai {got}"


def framed(reads: run.Reading, case: FrameCase) -> Any:
    """A packet or another envelope; None where bytes are left over."""
    if case.name == "Packet":
        return reads.packet(case.data)
    (name,) = (e.name for e in reads.catalogue.envelopes if camel(e.name) == case.name)
    value, payload, left = reads.envelope(name, case.data)
    return None if left else value | {"payload": payload}
