"""Everything that is shown in a terminal: progress displays and tables. Only this package uses rich.

Importing it does not import torch. `decda.console.study` does, so it is not imported here.
"""

from decda.console.notebook import NotebookDisplay, in_notebook
from decda.console.predictions import ImagesDisplay, print_clusters, print_onnx, print_predictions
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
    "ImagesDisplay",
    "NotebookDisplay",
    "ProgressDisplay",
    "SeedsDisplay",
    "in_notebook",
    "is_interactive",
    "print_clusters",
    "print_component",
    "print_components",
    "print_evaluation",
    "print_onnx",
    "print_parameters",
    "print_predictions",
    "print_result",
    "print_seeds_result",
]
