"""How fields are called in scapy: as they are declared, unless every layer has something else of that name.

A field `time` is the attribute `time_`, because `time` is when scapy saw the packet. Counts, which have no name of
their own in a layout, are called after what they count.

Plan: taken names · the names of a layer.
"""

from collections.abc import Iterable
from typing import Final

from opalink.protocol.ir import model as ir

# What scapy's Packet calls its own, as of 2.6 to 2.8, and what our layers add; tests/test_scapy.py compares.
TAKEN: Final = frozenset(
    """
    add_parent add_payload add_underlayer aliastypes answers build build_done build_padding build_ps canvas_dump
    class_default_fields class_default_fields_ref class_dont_cache class_fieldtype class_packetfields clear_cache
    clone_with command comment comments convert_packet convert_packets convert_to convert_to_packets copy
    copy_field_value copy_fields_dict decode_payload_as default_fields default_payload_class delfieldval
    deprecated_fields direction display dissect dissection_done do_build do_build_payload do_build_ps do_dissect
    do_dissect_payload do_init_cached_fields do_init_fields explicit extract_padding fields fields_desc fieldtype
    firstlayer fragment from_hexcap get_field getfield_and_val getfieldval getlayer guess_payload_class hashret haslayer
    hide_defaults init_fields iterpayloads json lastlayer layers lower_bonds match_subclass mysummary name original
    overload_fields overloaded_fields packetfields parent payload payload_guess pdfdump post_build post_dissect
    post_dissection post_transform post_transforms pre_dissect prepare_cached_fields process_information psdump
    raw_packet_cache raw_packet_cache_fields remove_parent remove_payload remove_underlayer route self_build sent_time
    setfieldval show show2 show_indent show_summary sniffed_on sprintf stop_dissection_after summary svgdump time
    underlayer upper_bonds wirelen
    fault form header read
    """.split()
)
TLV: Final = ("tag", "length")  # of every TLV


class Names:
    """The attributes of a layer's fields by their declared names. `before` are those that the layer has already."""

    def __init__(self, parts: Iterable[ir.Part], before: Iterable[str] = ()) -> None:
        fields = list(ir.fields_of(tuple(parts)))
        declared = {f.name for f in fields}
        used = {*TAKEN, *before}
        self._names: dict[str, str] = {}
        self._counts: dict[str, str] = {}
        for f in fields:
            self._names[f.name] = self._free(f.name, used | (declared - {f.name}))
            used.add(self._names[f.name])
        for f in fields:
            if isinstance(f, ir.Blob | ir.Rows):
                self._counts[f.name] = self._free(f"{f.name}_count", used)
                used.add(self._counts[f.name])

    @staticmethod
    def _free(name: str, used: set[str]) -> str:
        while name in used:
            name += "_"
        return name

    def __getitem__(self, name: str) -> str:
        return self._names[name]

    def count(self, name: str) -> str:
        """The attribute that says how much there is of a field."""
        return self._counts[name]
