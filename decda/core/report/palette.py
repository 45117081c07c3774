"""Colours and shapes by which clusters are told apart, on light and on dark ground, by colour-blind readers, too."""

LIGHT = (
    *("#cc5200", "#1d5fa8", "#a2189b", "#7a6000", "#5f6b76"),
    *("#c2185b", "#3b2fb3", "#5a3a28", "#117733", "#0a8f99"),
)
"""Of marks on white. Each has a contrast of at least 3 with it, as WCAG 2.2 asks of graphical objects (AA, 1.4.11)."""
DARK = (
    *("#ff9b54", "#6cb6ff", "#e08cf0", "#f0d858", "#9aa7b4"),
    *("#ff7ba3", "#b9b4ff", "#d8b9a0", "#57c76b", "#3ecfd4"),
)
"""The same hues on dark ground."""
GROUND = {"light": "#ffffff", "dark": "#14181d"}
"""What is behind them."""
SHAPES = (
    "M0-4.2A4.2 4.2 0 1 1 0 4.2A4.2 4.2 0 1 1 0-4.2Z",  # circle
    "M-3.8-3.8H3.8V3.8H-3.8Z",  # square
    "M0-5L4.7 3.6H-4.7Z",  # triangle
    "M0-5.4L5.4 0L0 5.4L-5.4 0Z",  # diamond
    "M-1.5-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5V-1.5H-1.5Z",  # plus
    "M0 5L4.7-3.6H-4.7Z",  # triangle, upside down
)
"""Outlines of marks around the origin. Six shapes and ten colours make thirty marks before one comes again; clusters
of one shape differ in colour for every kind of colour blindness, and all bear their number."""


def mark(cluster: int) -> tuple[int, int]:
    """The mark of a cluster.

    Args:
        cluster: its number, from 0.

    Returns:
        Positions in the palettes and in `SHAPES`.

    Example:
        >>> mark(3), mark(13)
        ((3, 3), (3, 1))
    """
    return cluster % len(LIGHT), cluster % len(SHAPES)
