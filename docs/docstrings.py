"""How the reference reads docstrings that are written to be read in the source: an extension of griffe."""

import re
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Sections that are called `Example`, which griffe knows in the plural only, and blocks of code after `::`."""

    def on_object(self, *, obj: griffe.Object, **words: Any) -> None:
        """Rename and mark what is in the docstring of an object.

        Args:
            obj: which has been read from the source.
            words: not used.
        """
        if obj.docstring is not None:
            text = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
            obj.docstring.value = re.sub(r"::(\n\n +)", r":\1", text)
