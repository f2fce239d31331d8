"""Arrays written through Python's own files.

`numpy.save` hands an array to the C library, and on a full disk raises an error that does
not say so. The bytes are the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Shaped


def save_array(path: Path, values: Shaped[np.ndarray, ...]) -> None:
    """Write an array as `numpy.save` does.

    Raises:
        OSError: the place cannot be written; its number says why.
    """
    values = np.ascontiguousarray(values)
    header = np.lib.format.header_data_from_array_1_0(values)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(values.data)
