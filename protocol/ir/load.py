"""Where the representation comes from: the declarations (slow, needs construct) or the checked-in export."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from opalink.protocol.ir.lock import Entry, locked, read
from opalink.protocol.ir.model import Catalogue

EXPORT = "opal.json"


def lock_path() -> Path:
    """The lock stands beside the declarations."""
    import opalink.spec

    return Path(opalink.spec.__path__[0]) / "requirements.lock"


def declared() -> tuple[Catalogue, list[Entry]]:
    """The catalogue as `opalink.spec` declares it now, and the lock that goes with it."""
    from opalink.protocol.ir.walk import walk
    from opalink.spec import catalogue as source

    return locked(walk(source), read(lock_path()))


@cache
def catalogue() -> Catalogue:
    """The catalogue as it was generated: what everything but the generators reads."""
    return Catalogue.from_json((files("opalink.protocol.exports") / EXPORT).read_bytes())
