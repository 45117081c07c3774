"""Decompress gzip data up to a size, so that a few bytes cannot fill the memory."""

import re
import sys
import zlib
from io import BytesIO

from decda.core.errors import DataError

CHUNK = 2**16
"""Most compressed bytes handed on at once."""
FIRST_CHUNK = 2**9
"""The same at the start of a member; what lies behind its end is copied, which would add up over many small ones."""
MAGIC = b"\x1f\x8b"
GZIP = 16 + zlib.MAX_WBITS
REASONS = {
    "incorrect data check": "its content does not match its checksum (CRC)",
    "incorrect length check": "its content does not have the length that it states",
}
"""What zlib means by two of its messages."""
_ZEROS = re.compile(rb"\0*")


def unpack_gzip(raw: bytes, *, max_bytes: int) -> bytes:
    """Decompress gzip data: one or more members, each followed by any number of zero bytes.

    Args:
        raw: the compressed bytes.
        max_bytes: the most that the content may hold. It never takes much more memory than that, either.

    Returns:
        The content.

    Raises:
        DataError: they are no gzip data, end early, are damaged, are followed by other bytes, or hold more than
            allowed.

    Example:
        >>> import gzip
        >>> unpack_gzip(gzip.compress(b"some") + gzip.compress(b"thing"), max_bytes=9)
        b'something'
    """
    if not raw.startswith(MAGIC):
        start = raw[:4].hex(" ") or "nothing"
        raise DataError(f"it is not gzip data: it begins with {start}, not with {MAGIC.hex(' ')}")
    content = BytesIO()
    at = 0
    while at < len(raw):
        if not raw.startswith(MAGIC, at):
            raise DataError(f"its gzip data is followed by {len(raw) - at} bytes of another kind")
        end = _unpack_member(raw, at, content, max_bytes)
        padding = _ZEROS.match(raw, end)
        at = padding.end() if padding else end
    return content.getvalue()


def _unpack_member(raw: bytes, at: int, content: BytesIO, max_bytes: int) -> int:
    """Append the content of the member that starts at a position, and return the position behind its end."""
    member, size = zlib.decompressobj(GZIP), FIRST_CHUNK
    while not member.eof:
        chunk = raw[at : at + size]
        if not chunk:
            raise DataError(f"its gzip data is truncated: the {len(raw)} bytes end before it does")
        try:
            content.write(member.decompress(chunk, min(max_bytes - content.tell(), sys.maxsize - 1) + 1))
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            raise DataError(f"its gzip data is damaged: {REASONS.get(reason, reason)}") from error
        if content.tell() > max_bytes:
            raise DataError(f"it holds more than the {max_bytes} decompressed bytes allowed")
        at, size = at + len(chunk), min(2 * size, CHUNK)
    return at - len(member.unused_data)
