"""Samples to packed bytes and back, in numpy.

Four samples of d bits fill d/2 bytes. Read as one 64-bit word they need a shift and a mask each to stand where four
16-bit samples stand in memory, so nothing is ever handled one sample or one byte at a time. Words are read where they
lie, unaligned and overlapping; blocks stay within the processor's cache.

Plan: unpacking · packing.
"""

from typing import Final

from opalink.protocol.picture.formats import PictureError
from opalink.protocol.picture.libraries import NDArray, Samples, np
from opalink.protocol.runtime import Buffer

_DEPTHS: Final = (8, 10, 12, 14, 16)
_BLOCK: Final = 1 << 14  # words worked on at a time
_WORD: Final = 8  # bytes


def _known(depth: int) -> None:
    if depth not in _DEPTHS:
        raise PictureError(f"samples of {depth} bits are not dealt with")


def _masks(depth: int) -> list[np.uint64]:
    """The bits of each of four samples in a word of 16-bit samples."""
    return [np.uint64((1 << depth) - 1 << 16 * k) for k in range(4)]


# ── Unpacking ────────────────────────────────────────────────────────────────────────────────────────


def unpack(data: Buffer, depth: int, out: Samples | None = None) -> Samples:
    """The samples that fill `data`, which may end in bits that are not a whole sample, into `out` or a new array of one
    dimension. Raises PictureError for a depth other than 8, 10, 12, 14 or 16, ValueError for an `out` that is not one
    contiguous row of as many 16-bit samples."""
    _known(depth)
    packed = np.frombuffer(data, np.uint8)
    count = packed.size * 8 // depth
    if out is None:
        out = np.empty(count, np.uint16)
    if out.shape != (count,) or out.dtype != np.uint16 or not out.flags.c_contiguous:
        raise ValueError(f"out must be one contiguous row of {count} samples")
    if depth == 8:
        out[:] = packed
    elif depth == 16:
        out[:] = packed[: 2 * count].view("<u2")
    else:
        _unpack_words(packed, depth, out)
    return out


def _unpack_words(packed: NDArray[np.uint8], depth: int, out: Samples) -> None:
    step = depth // 2
    whole = max(0, (packed.size - _WORD) // step + 1)  # words that can be read without reading beyond the end
    for i in range(0, whole, _BLOCK):
        n = min(_BLOCK, whole - i)
        words = np.ndarray((n,), "<u8", packed[i * step :], 0, (step,))
        out[4 * i : 4 * (i + n)].view("<u8")[:] = _spread(words, depth)
    at = 4 * whole
    rest = np.zeros(-(-(out.size - at) // 4) * step + _WORD, np.uint8)
    rest[: packed.size - whole * step] = packed[whole * step :]
    last = np.ndarray((-(-(out.size - at) // 4),), "<u8", rest, 0, (step,))
    out[at:] = _spread(last, depth).view("<u2")[: out.size - at]


def _spread(words: NDArray[np.uint64], depth: int) -> NDArray[np.uint64]:
    """Samples side by side, `depth` bits apart, to samples 16 bits apart."""
    masks = _masks(depth)
    spread = words & masks[0]
    for k in (1, 2, 3):
        moved = words << np.uint64(k * (16 - depth))
        moved &= masks[k]
        spread |= moved
    return spread


# ── Packing ──────────────────────────────────────────────────────────────────────────────────────────


def pack(samples: Samples, depth: int) -> bytes:
    """Samples of any shape, row after row, as bytes; a last byte that they do not fill ends in zeros. Bits of a sample
    above `depth` are lost. Raises PictureError for a depth other than 8, 10, 12, 14 or 16."""
    _known(depth)
    flat = np.ascontiguousarray(samples, "<u2").reshape(-1)
    if depth == 8:
        return flat.astype(np.uint8).tobytes()
    if depth == 16:
        return flat.tobytes()
    step, words = depth // 2, -(-flat.size // 4)
    if flat.size % 4:
        flat = np.concatenate((flat, np.zeros(-flat.size % 4, "<u2")))
    out = np.empty((words, step), np.uint8)
    for i in range(0, words, _BLOCK):
        n = min(_BLOCK, words - i)
        close = _close(flat[4 * i : 4 * (i + n)].view("<u8"), depth)
        out[i : i + n] = close.view(np.uint8).reshape(n, _WORD)[:, :step]
    return out.tobytes()[: (samples.size * depth + 7) // 8]


def _close(words: NDArray[np.uint64], depth: int) -> NDArray[np.uint64]:
    """Samples 16 bits apart to samples side by side."""
    close = np.zeros_like(words)
    for k, mask in enumerate(_masks(depth)):
        moved = words & mask
        moved >>= np.uint64(k * (16 - depth))
        close |= moved
    return close
