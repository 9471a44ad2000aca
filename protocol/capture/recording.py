"""What recordings consist of: interfaces, what was captured on them, and what is wrong with a file."""

from msgspec import Struct

from opalink.spec.capture_format import interface_name, sender_of


class CaptureError(Exception):
    """A file that is no recording, or one that is damaged where that must not be."""


class Interface(Struct, frozen=True):
    """Where packets were seen. `inbound` is what the implementation sent and the recording side received."""

    name: str
    link_type: int
    inbound: bool
    doc: str = ""

    @classmethod
    def of(cls, lane: str, sender: str, link_type: int) -> "Interface":
        """The interface of a lane and a sender of `opalink.spec.capture_format`. Raises ValueError for another one."""
        name = interface_name(lane, sender)
        known = sender_of(name)
        if known is None:
            raise ValueError(f"No sender is called {sender!r}.")
        return cls(name, link_type, known.inbound)


class Captured(Struct, frozen=True):
    """A packet or a FLIT of a recording. `time` is in nanoseconds, 0 where the block has none. `size` is how many bytes
    had travelled, `lost` how many packets of the interface are missing before this one."""

    interface: Interface
    time: int
    data: bytes
    comments: tuple[str, ...] = ()
    size: int = 0
    lost: int = 0

    @property
    def cut(self) -> bool:
        """Whether more had travelled than was kept."""
        return self.size > len(self.data)


class Damage(Struct, frozen=True):
    """What is wrong, in which block (the first is 1), and at which byte of the file that begins."""

    block: int
    offset: int
    what: str

    def __str__(self) -> str:
        return f"block {self.block:,} at byte {self.offset:,}: {self.what}"


class Recording(Struct, frozen=True):
    """A whole recording. `comments` are those of its sections."""

    comments: tuple[str, ...] = ()
    application: str = ""
    packets: tuple[Captured, ...] = ()
