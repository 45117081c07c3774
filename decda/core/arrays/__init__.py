"""Arrays and tables of users as images: one way for all doors, kind where nothing is lost, strict where it would be.

What authors of data sets may use: `ArraySource` for arrays of any layout and type, `as_labels` for classes of any kind,
`read_array_file` and `read_label_file` for files.
"""

from decda.core.arrays.files import read_array_file, read_label_file
from decda.core.arrays.labels import as_labels
from decda.core.arrays.layout import require_channels_first
from decda.core.arrays.source import ArraySource
from decda.core.arrays.tidying import tidy

__all__ = ["ArraySource", "as_labels", "read_array_file", "read_label_file", "require_channels_first", "tidy"]
