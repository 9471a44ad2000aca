"""The order of a campaign: what it was asked to do, and the files that it was given, in a form that can be kept."""

from msgspec import Struct, structs

from opalink.conformance.papers.documents import text_of
from opalink.conformance.papers.pics import PicsError
from opalink.conformance.papers.waivers import WaiverError
from opalink.conformance.runner import Options


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """What a campaign was asked to do: with its tape, all that it takes to run it again. `options` name no files:
    `pics` and `waivers` are their text, None where none were given."""

    iut: str
    options: Options
    pics: str | None = None
    waivers: str | None = None


def order_of(iut: str, options: Options) -> Order:
    """The order of a campaign that is about to be run. Raises PicsError and WaiverError for files that cannot be
    read."""
    declared = text_of(options.pics, "PICS", PicsError) if options.pics else None
    waived = text_of(options.waivers, "list of waivers", WaiverError) if options.waivers else None
    return Order(iut, structs.replace(options, pics=None, waivers=None), declared, waived)
