"""The page of the C library: how what is declared is called there. What the names mean, the header itself says.

Plan: the page.
"""

from opalink.protocol.generate.c.names import capacity, ctype
from opalink.protocol.generate.docs.words import grouped, heading, ref, table
from opalink.protocol.ir import model as ir


def c_library(catalogue: ir.Catalogue) -> list[str]:
    """Names of types, functions and capacities, by message."""
    rows = []
    for packet, form, layout in catalogue.messages():
        rows.append(
            (
                ref(f"message-{packet.name}", packet.name),
                form,
                f"`opal_{layout.name}`",
                f"`OPAL_MESSAGE_{packet.name}_{form.upper()}`",
            )
        )
    lists = [
        (f"`{capacity(layout.name, part.name)}`", grouped(part.hi), ref(f"layout-{layout.name}", layout.name))
        for layout in catalogue.layouts
        for part in layout.parts
        if isinstance(part, ir.Rows)
    ]
    widths = ", ".join(f"`{ctype(8 * n)}`" for n in (1, 2, 4, 8))
    return [
        *heading(1, "The C library", "c-library"),
        (
            "`opalink generate c OUT` writes `opal.h` and `opal.c`: freestanding C99, no heap, nothing of libc but "
            "`memcpy`. With `--profile P` it leaves out what the modules of a profile never use. A copy of both is "
            "in `protocol/c99/`; the comment at the top of the header shows how a packet is decoded."
        ),
        "",
        (
            "Everything declared keeps its name behind the prefix `opal_` (types and functions) or `OPAL_` "
            f"(numbers). A number is the least of {widths} or their signed likes that holds it, with its wire "
            "value. Bytes are spans of what was decoded, which has to outlive them."
        ),
        "",
        "```c",
        "opal_fault opal_decode_NAME(opal_NAME *value, opal_span from, opal_error *error);",
        "opal_fault opal_encode_NAME(const opal_NAME *value, opal_buffer *out, opal_error *error);",
        "```",
        "",
        (
            "A decoder makes every check that the catalogue declares, in wire order, and reports the first that "
            "fails: its class, its field and its offset."
        ),
        "",
        *heading(2, "Messages"),
        *table(("Message", "Form", "Type", "Number"), rows, "opal-list"),
        *heading(2, "Capacities of lists"),
        "Define one before the header to give a list less room: a longer list is then refused with `OPAL_ROOM`.",
        "",
        *table(("Macro", "Unless defined", "List of"), lists, "opal-list"),
    ]
