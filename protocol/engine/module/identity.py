"""What a module is: a profile's descriptor, cut to the features that run, as values and as the bytes of DESC_READ.

Plan: calibration data · the identity.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from msgspec import structs

from opalink.protocol import packets
from opalink.protocol.codec import Tlv, encode_layout
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import DescriptorObject, Feature
from opalink.spec.form import Profile

_SPACE: Final = "records"


def _calibration(profile: str, thing: Any) -> bytes:
    """The data of a calibration object: made up, repeatable, and what the descriptor's digest says."""
    name = DescriptorObject(thing.object).name
    data = hashlib.shake_256(f"{profile} {name}".encode()).digest(thing.size)
    if hashlib.sha256(data).digest() != thing.sha256:
        raise ValueError(f"the descriptor of {profile} has another digest for {name}")
    return data


class Identity:
    """A module of a profile that has some of its features. `records` are the descriptor's, by name."""

    def __init__(self, catalogue: ir.Catalogue, profile: Profile, features: Iterable[str]) -> None:
        self.profile = profile.name
        self.features = frozenset(features)
        missing = set(profile.requires) - self.features
        surplus = self.features - {*profile.requires, *profile.allows}
        if missing or surplus:
            raise ValueError(f"{profile.name} lacks {sorted(missing)}, may not have {sorted(surplus)}")
        self.mask = sum(Feature[name] for name in self.features)
        types = {t.name: t for t in catalogue.space[_SPACE].types}
        self.records: dict[str, Any] = {}
        tags: dict[str, int] = {}
        for name, fields in profile.descriptor:
            kind = types[name]
            if kind.needs and not self.features.intersection(kind.needs):
                continue
            self.records[name] = _value(catalogue, catalogue.layout[kind.layout], self._cut(catalogue, name, fields))
            tags[name] = kind.tag
        self._layout, self._tags = catalogue.body["DESCRIPTOR"], tags
        self.objects: dict[DescriptorObject, bytes] = {}
        self._describe()
        if "calibration" in self.records:
            objects = self.records["calibration"].objects
            self.objects |= {DescriptorObject(x.object): _calibration(self.profile, x) for x in objects}

    def _cut(self, catalogue: ir.Catalogue, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        """A record as it is without the features that do not run."""
        if name == "features":
            return {**fields, "features": self.mask}
        if name == "versions":
            groups = {p.group for p in catalogue.packets if not p.needs or self.features.intersection(p.needs)}
            spoken = {packets.Protocol[g.upper()] for g in groups if g.upper() in packets.Protocol.__members__}
            return {**fields, "protocols": [x for x in fields["protocols"] if x["protocol"] in spoken]}
        return fields

    def _describe(self) -> None:
        listed = packets.Descriptor(tuple(Tlv(self._tags[name], value) for name, value in self.records.items()))
        self.descriptor = encode_layout(self._layout, listed)
        self.sha256 = hashlib.sha256(self.descriptor).digest()
        self.objects[DescriptorObject.DESCRIPTOR] = self.descriptor

    def run_firmware(self, version: int) -> bool:
        """Firmware of a version runs from now on; whether that makes the descriptor another one."""
        found = self.records["identity"]
        if found.firmware == version:
            return False
        self.records["identity"] = structs.replace(found, firmware=version)
        self._describe()
        return True

    def record(self, name: str) -> Any:
        """A record of the descriptor, or None."""
        return self.records.get(name)


def _value(catalogue: ir.Catalogue, layout: ir.Layout, fields: dict[str, Any]) -> Any:
    """Plain fields, text as text and other bytes as hexadecimal, as the value class of a layout."""
    given = dict(fields)
    for part in layout.parts:
        if isinstance(part, ir.Rows) and part.name in given:
            row = catalogue.layout[part.row]
            given[part.name] = tuple(_value(catalogue, row, x) for x in given[part.name])
        elif isinstance(part, ir.Blob) and part.text and part.name in given:
            given[part.name] = given[part.name].encode()
        elif isinstance(part, (ir.Octets, ir.Blob)) and part.name in given:
            given[part.name] = bytes.fromhex(given[part.name])
    return getattr(packets, layout.name)(**given)
