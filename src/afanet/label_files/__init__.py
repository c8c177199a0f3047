"""Label files with a value for every pixel, read without conversion, which would change labels and depths."""

from afanet.label_files.arrays import read_array
from afanet.label_files.exr import read_exr
from afanet.label_files.numbers import read_numbers
from afanet.label_files.pictures import Coloured, packed, palette_colours, read_colours, read_image, unpacked

__all__ = [
    "Coloured",
    "packed",
    "palette_colours",
    "read_array",
    "read_colours",
    "read_exr",
    "read_image",
    "read_numbers",
    "unpacked",
]
