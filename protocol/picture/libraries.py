"""The libraries of the extra `picture`, and the kinds of arrays that are made with them."""

try:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, ImageOps, TiffImagePlugin, TiffTags, UnidentifiedImageError
except ImportError as missing:
    raise ImportError("opalink.protocol.picture needs numpy and Pillow: pip install 'opalink[picture]'") from missing

__all__ = [
    "Codes", "Floats", "Image", "ImageOps", "NDArray", "Samples", "TiffImagePlugin", "TiffTags",
    "UnidentifiedImageError", "np",
]  # fmt: skip

Samples = NDArray[np.uint16]  # of a sensor
Floats = NDArray[np.float32]  # light, charge or channels
Codes = NDArray[np.uint8]  # of sRGB
