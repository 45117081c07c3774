"""Texts and figures as pages show them."""

MAX_NAME = 80
"""Characters of a name or value that are shown."""


def short(text: object, limit: int = MAX_NAME) -> str:
    """A text of bearable length: of a longer one, its beginning and its end.

    Args:
        text: any.
        limit: characters.

    Example:
        >>> short("a" * 200, 9), short("photo.png")
        ('aaaa…aaaa', 'photo.png')
    """
    whole = str(text)
    half = (limit - 1) // 2
    return whole if len(whole) <= limit else f"{whole[:half]}…{whole[-half:]}"


def number(value: float) -> str:
    """A count with separators.

    Args:
        value: the count.

    Example:
        >>> number(70000)
        '70,000'
    """
    return f"{value:,}"


def percent(share: float, decimals: int = 1) -> str:
    """A share in per cent.

    Args:
        share: in [0, 1].
        decimals: places.

    Example:
        >>> percent(0.1234)
        '12.3%'
    """
    return f"{100 * share:.{decimals}f}%"
