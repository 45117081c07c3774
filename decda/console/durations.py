"""Times as people say them."""


def duration(seconds: float) -> str:
    """A time in the units that fit it.

    Args:
        seconds: 0 or more.

    Returns:
        Below a minute seconds to one decimal, above it minutes and seconds, above an hour hours and minutes.

    Example:
        >>> [duration(seconds) for seconds in (8.04, 59.97, 569, 3600, 9000)]
        ['8.0 s', '1 min 0 s', '9 min 29 s', '1 h 0 min', '2 h 30 min']
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
