"""Three readings beside construct's: the Python codec, scapy's layers, and what kaitai-struct-compiler makes.

Each is made of a catalogue, and then says of cases what differs.
"""

from collections.abc import Callable, Iterator

from opalink.protocol.generate.ksy import run as ksy
from opalink.protocol.generate.python.module import one_module
from opalink.protocol.ir import model as ir
from tests.differential import kaitai, trial
from tests.differential.agreement import Case, load

Judge = Callable[[Iterator[Case]], Iterator[str]]


def python(c: ir.Catalogue) -> Judge:
    module = load(one_module(c))
    return lambda found: trial.differences(found, module)


def scapy(c: ir.Catalogue) -> Judge:
    from tests import test_scapy_random as layers  # scapy is loaded by whoever asks for it

    made = layers.load(layers.one_module(c))
    return lambda found: layers.differences(found, made)


def kaitai_struct(c: ir.Catalogue) -> Judge:
    reads = ksy.reading(c)
    return lambda found: kaitai.differences(found, reads)


READINGS: dict[str, Callable[[ir.Catalogue], Judge]] = {"python": python, "scapy": scapy, "ksy": kaitai_struct}
