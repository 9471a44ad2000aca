"""The way between phone and module, simulated: light, contacts, and what a scenario does to them.

`load` reads a scenario (TOML, a file or one of `bundled`), `Channel` is what it makes of the link at each moment, and
`Laser` moves two FLIT ends over it. What is modelled is what the two sides notice; nothing here decodes a codeword.

Reading order: `scenario` (the files), `optics` and `fec` (light to lost FLITs), `model` (both along time), `laser`.
"""

from opalink.protocol.channel.fec import Level, level
from opalink.protocol.channel.laser import Laser
from opalink.protocol.channel.model import Channel, Light, Seat, Tally
from opalink.protocol.channel.scenario import Scenario, ScenarioError, bundled, load, parse

__all__ = [
    "Channel", "Laser", "Level", "Light", "Scenario", "ScenarioError", "Seat", "Tally", "bundled", "level", "load",
    "parse",
]  # fmt: skip
