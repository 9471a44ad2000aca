"""What users suffered, and the scenarios that stand against it.

The concept that OPAL is built for and its ancestors failed people in ways that a link protocol can mend. Each of these
is a group of scenarios written by hand; a scenario names its group where it is declared.

Plan: the groups · scenarios of a group.
"""

from enum import StrEnum
from functools import cache
from typing import Final

from opalink.conformance.purposes import Purpose
from opalink.conformance.scenarios import scenarios, suffering_of
from opalink.spec.form import Role


class Suffering(StrEnum):
    """A group, by the name that scenarios give."""

    PAIRING = "pairing"
    LAG = "lag"
    SUPPLY = "supply"
    KNOCK = "knock"
    HEAT = "heat"
    FOCUS = "focus"
    FAMILY = "family"
    STACK = "stack"
    GENUINE = "genuine"
    LIGHT = "light"

    @property
    def doc(self) -> str:
        """What people asked for in its place, in one sentence."""
        return _ASKED[self]


_ASKED: Final = {
    Suffering.PAIRING: "A module that is put on works at once: nothing is paired, and what was before is over.",
    Suffering.LAG: "What the phone asks is answered as if the module were wired to it, however much is asked.",
    Suffering.SUPPLY: "The phone supplies the module, and neither takes more than there is.",
    Suffering.KNOCK: "A take survives movement and knocks.",
    Suffering.HEAT: "A long video ends by heat no sooner than it must, and never without a word.",
    Suffering.FOCUS: "Focus, stabilisation and the user's hand work on one picture, not against each other.",
    Suffering.FAMILY: "Any phone of a family works with any module of it, one after the other.",
    Suffering.STACK: "Passive parts of other makers can be stacked, and what is there is known.",
    Suffering.GENUINE: "Whether a module is genuine can be known, and what runs in it is what its maker signed.",
    Suffering.LIGHT: "The laser shines only where it must, and never into an eye.",
}


@cache
def grouped(role: Role = Role.MODULE) -> dict[Suffering, tuple[Purpose, ...]]:
    """The scenarios of each group, in the order of their chapters."""
    of = {p: Suffering(name) for p in scenarios(role) if (name := suffering_of(p))}
    return {s: tuple(p for p, group in of.items() if group is s) for s in Suffering}
