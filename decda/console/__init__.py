"""All that is shown to people, and the only room with rich: the display of runs as they go, and tables."""

from decda.console.progress import ProgressDisplay, SeedsDisplay
from decda.console.study import StudyDisplay, print_study
from decda.console.tables import (
    print_component,
    print_components,
    print_evaluation,
    print_parameters,
    print_result,
    print_series,
)

__all__ = [
    "ProgressDisplay",
    "SeedsDisplay",
    "StudyDisplay",
    "print_component",
    "print_components",
    "print_evaluation",
    "print_parameters",
    "print_result",
    "print_series",
    "print_study",
]
