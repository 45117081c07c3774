"""Times as people say them."""


def duration(seconds: float, decimals: int = 1) -> str:
    """A time in the units that fit it.

    Args:
        seconds: 0 or more.
        decimals: of seconds, below a minute.

    Returns:
        Below a minute seconds, above it minutes and seconds, above an hour hours and minutes.

    Example:
        >>> [duration(seconds) for seconds in (8.04, 59.97, 569, 3600, 9000)]
        ['8.0 s', '1 min 0 s', '9 min 29 s', '1 h 0 min', '2 h 30 min']
    """
    if round(seconds, decimals) < 60:
        return f"{seconds:.{decimals}f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
