"""Words for what a probe changes, so that every generated purpose has a sentence."""

from opalink.protocol.ir.probes import Probe

PHRASES = {
    "below": "with `{}` one below its least",
    "above": "with `{}` one above its greatest",
    "under": "with one too few in `{}`",
    "over": "with one too many in `{}`",
    "cut": "that ends a byte before the end of `{}`",
    "overrun": "whose last TLV in `{}` claims more bytes than there are",
    "excess": "whose TLV `{}` is a byte too long",
    "not_const": "with another `{}` than the only legal one",
    "unknown_member": "with a `{}` that is no member of its enumeration",
    "min": "with `{}` at its least",
    "max": "with `{}` at its greatest",
    "above_min": "with `{}` one above its least",
    "below_max": "with `{}` one below its greatest",
    "zeros": "with `{}` all zeros",
    "ones": "with `{}` all ones",
    "shortest": "with `{}` as short as can be",
    "longest": "with `{}` as long as can be",
    "reserved": "with the reserved bits `{}` set",
    "unknown_tlv": "with a TLV of an unknown tag in `{}`",
    "empty_tlv": "with an empty TLV of an unknown tag in `{}`",
    "repeated_tlv": "with two TLVs of one unknown tag in `{}`",
}


def phrase(probe: Probe) -> str:
    """What a probe changes, to follow "it receives a PWR_BUDGET request …"."""
    if probe.operator in PHRASES:
        return PHRASES[probe.operator].format(probe.field)
    kind, _, name = probe.operator.partition("_")  # member_FIXED, flag_LASER, tlv_exposure
    return f"with the {kind} {name} in `{probe.field}`"
