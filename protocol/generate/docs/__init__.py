"""Back end: the reference part of the document, as Markdown for Sphinx: a page for every message, machine and table.

The pages are made whenever the document is built and are not kept: what they say stands in the catalogue alone. They
point at requirements and tests, whose pages belong to who knows the tests (`docs/trace_pages.py`).

Plan: the pages.
"""

from opalink.protocol.generate.docs import tables as tables
from opalink.protocol.generate.docs.c_library import c_library
from opalink.protocol.generate.docs.example import samples
from opalink.protocol.generate.docs.layout import Seen
from opalink.protocol.generate.docs.machines import legality, machine_index, machine_page
from opalink.protocol.generate.docs.messages import message_index, message_page
from opalink.protocol.generate.docs.words import heading, page
from opalink.protocol.ir import model as ir


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """Every page, by its place below the folder of the reference."""
    seen, found = Seen(), samples(catalogue)
    pages: dict[str, list[str]] = {
        "messages/index": message_index(catalogue),
        **{f"messages/{p.name}": message_page(catalogue, p, seen.page(), found) for p in catalogue.packets},
        "machines/index": machine_index(catalogue),
        **{f"machines/{m.name}-{m.role}": machine_page(catalogue, m) for m in catalogue.machines},
        "legality": legality(catalogue),
        "timers": tables.timers(catalogue),
        "statuses": tables.statuses(catalogue),
        "limits": tables.limits(catalogue),
        "channels": tables.channels(catalogue),
        "features": tables.features(catalogue),
        "profiles": tables.profiles(catalogue),
        "tlvs/index": tables.space_index(catalogue),
        **{f"tlvs/{s.name}": tables.space(catalogue, s, seen.page()) for s in catalogue.spaces},
        "envelopes": tables.envelopes(catalogue, seen.page()),
        "enumerations": tables.enumerations(catalogue),
        "c": c_library(catalogue),
    }
    if shared := list(tables.rest(catalogue, seen.page())):
        pages["layouts"] = [*heading(1, "Other layouts", "layouts"), *shared]
    return {f"{name}.md": page(catalogue.fingerprint, lines) for name, lines in pages.items()}
