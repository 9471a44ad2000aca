"""What pytest loads of opalink in every run: the options. The campaign is imported where one of them asks for it.

    pytest --pyargs opalink.conformance --iut URI

Nothing but this module is imported by a run that names no implementation.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: "pytest.Parser") -> None:
    """The options of `opalink certify`, as far as pytest has none of its own for them."""
    group = parser.getgroup("opalink", "conformance of an implementation of OPAL")
    group.addoption("--iut", metavar="URI", help="The implementation under test: sim:four-thirds, stdio:./module, …")
    group.addoption("--iut-plan", choices=("quick", "ci", "cert"), default="ci", help="How much is run.")
    group.addoption("--iut-level", choices=("L1", "L2", "L3"), help="The level that must be reached.")
    group.addoption("--iut-pics", metavar="FILE", help="What the vendor declares.")
    group.addoption("--iut-waivers", metavar="FILE", help="Failures that are known, with a bug each.")
    group.addoption("--iut-plane", choices=("auto", "packet", "flit", "both"), default="auto", help="Where it is met.")
    group.addoption("--iut-clock", choices=("auto", "virtual", "real"), default="auto", help="Whose time holds.")
    group.addoption("--iut-seed", type=int, default=1, help="Begins whatever is drawn at random.")
    group.addoption("--iut-out", metavar="DIRECTORY", default="out/certify", help="The bundle.")


def pytest_configure(config: "pytest.Config") -> None:
    """Have the campaign take part in a run that names an implementation."""
    if config.getoption("--iut"):
        plugin = importlib.import_module("opalink.conformance.plugin")
        config.pluginmanager.register(plugin.Conformance(config), "opalink-conformance")
