"""All that is shown to people, and the only room with rich: the display of runs as they go, and tables.

What is named here loads no torch; `decda.console.study`, which does, is imported by its name.
"""

from decda.console.progress import ProgressDisplay, SeedsDisplay, is_interactive
from decda.console.tables import (
    print_component,
    print_components,
    print_evaluation,
    print_parameters,
    print_result,
    print_seeds_result,
)

__all__ = [
    "ProgressDisplay",
    "SeedsDisplay",
    "is_interactive",
    "print_component",
    "print_components",
    "print_evaluation",
    "print_parameters",
    "print_result",
    "print_seeds_result",
]
