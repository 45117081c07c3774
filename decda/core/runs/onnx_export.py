"""Encoder and head of a trained model as one ONNX graph, from pixels to embedding, soft assignment and label."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from decda import __version__
from decda.core.arrays.scaling import Scaling
from decda.core.atomic_files import explain_output
from decda.core.errors import BrokenComponent, ConfigError, OutOfMemory, in_a_line, is_out_of_memory
from decda.core.runs.assembly import owner_of
from decda.core.runs.onnx_graph import OUTPUTS, Graph, capture, difference, random_input, trace
from decda.core.runs.prediction_files import check_new_file, published
from decda.core.runs.run import Run
from decda.core.training.model import Model

SCHEMA_VERSION = 1
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""What the extra `onnx` installs."""
TOLERANCE = 1e-5
"""The largest difference between graph and model, relative to the largest number where that is above 1."""
BATCHES = (1, 2, 7, 32)
"""How many images the graph is tried with at a time."""
RECORDED = ("size", "fit", "color", "alpha", "scale", "center", "spread", "channels", "shape")
"""Parameters of the data set that say how images become pixels, or rows numbers."""


@dataclass(frozen=True)
class OnnxFile:
    """An exported graph.

    Attributes:
        out: the file.
        description: of inputs, outputs, and how far the graph was verified, as `decda export --json` prints it.
    """

    out: Path
    description: Mapping[str, Any]

    def as_mapping(self) -> dict[str, Any]:
        """What `decda export --format onnx --json` prints."""
        return {"schema_version": SCHEMA_VERSION, "format": "onnx", "out": str(self.out), **self.description}


def export_onnx(run: Run, out: Path) -> OnnxFile:
    """Write a trained model as an ONNX file, and compare the two on random images.

    The graph takes any number of images and computes in float32, whatever the precision of the run. A table's rows are
    taken as they stand in its file, in float64: the graph scales them as the run did.

    Args:
        run: a finished run.
        out: the file; must not exist.

    Returns:
        The file, with a description.

    Raises:
        ConfigError: the file exists, or a package is missing.
        BrokenComponent: a part cannot be exported, or its graph computes something else.
        OutputError: the file cannot be written.
    """
    check_new_file(out, "out")
    packages = _packages()
    modules = copy.deepcopy((run.model.autoencoder, run.model.head))  # the run's stay where they are
    model = Model(*modules, run.model.augment).to(torch.device("cpu"))
    model.train(False)
    parameters = run.config.dataset.parameters
    graph = Graph(model, run.input_shape, *_scaling(parameters))
    content, largest = _export(run, graph, packages)
    proto = packages["onnx"].load_from_string(content)
    notes = []
    if run.model.precision != "float32":
        notes.append(f"The run computed in {run.model.precision}; the graph computes in float32.")
    metadata = {
        "decda_version": __version__,
        "recipe": run.config.recipe or "",
        "input_shape": "x".join(map(str, run.input_shape)),
        "n_clusters": str(run.config.n_clusters),
        "embedding_dim": str(model.autoencoder.embedding_dim),
        "dataset": run.config.dataset.name,
        **{f"dataset_{name}": _text(parameters[name]) for name in RECORDED if parameters.get(name) is not None},
        **{kind: run.config.part(kind).name for kind in ("encoder", "head")},
        "input": _input_words(graph),
    }
    packages["onnx"].helper.set_model_props(proto, metadata)
    proto.producer_name, proto.producer_version = "decda", __version__
    proto.graph.name = "decda"
    content = proto.SerializeToString(deterministic=True)
    with published(out, "out") as file, explain_output(out):
        file.write(content)
    return OnnxFile(out, {
        "run": str(run.folder),
        "inputs": {side.name: _describe(side) for side in proto.graph.input},
        "outputs": {side.name: _describe(side) for side in proto.graph.output},
        "opset": max(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")),
        "difference": largest,
        "n_verified": sum(BATCHES),
        "bytes": len(content),
        "metadata": metadata,
        "notes": notes,
    })  # fmt: skip


def _packages() -> dict[str, Any]:
    found, missing = {}, []
    for name in PACKAGES:
        try:
            found[name] = import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise ConfigError(
            f"To export ONNX, {', '.join(missing)} must be installed as well (the extra onnx of decda): "
            f"python -m pip install {' '.join(PACKAGES)}"
        )
    return found


def _export(run: Run, graph: Graph, packages: Mapping[str, Any]) -> tuple[bytes, float]:
    """The graph as ONNX, made by the first of PyTorch's two exporters whose result computes what the model does.

    Tracing takes a tenth of the time; the other may serve where it fails, or where PyTorch has no tracing any more.
    """
    failures: list[BrokenComponent] = []
    for make in (trace, capture):
        try:
            content = make(graph, random_input(graph, 2), graph.names)
            return content, _verify(run, graph, content, packages["onnxruntime"])
        except BrokenComponent as error:
            failures.append(error)
        except Exception as error:  # of parts, exporters and the runtime alike
            if is_out_of_memory(error):
                raise OutOfMemory(f"Out of memory while the model was exported ({in_a_line(error)}).") from error
            owner = _owner(run, _culprit(graph, make))
            failures.append(BrokenComponent(f"{owner} cannot be exported to ONNX: {in_a_line(error)}"))
            failures[-1].__cause__ = error
    raise failures[0]


class _Half(nn.Module):
    """Only the encoder, or only the head."""

    def __init__(self, part: nn.Module, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.part = part
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _culprit(graph: Graph, make: Callable[[nn.Module, Tensor, Sequence[str]], bytes]) -> str:
    """The part that cannot be exported by itself."""
    x = graph.prepare(random_input(graph, 2))
    for kind, part, function in (
        ("encoder", graph.autoencoder, graph.autoencoder.encode),
        ("head", graph.head, graph.head.soft_assign),
    ):
        try:
            make(_Half(part, function), x, ("x", "y"))
            with torch.no_grad():
                x = function(x)
        except Exception:
            return kind
    return "head"


def _owner(run: Run, kind: str) -> str:
    component = run.parts.get(kind)
    owner = f"{kind} '{run.config.part(kind).short}'" if component is None else owner_of(component)
    return f"The {owner}"


def _verify(run: Run, graph: Graph, content: bytes, onnxruntime: Any) -> float:
    """Compare a graph with the model on random input.

    Returns:
        The largest difference of a number.

    Raises:
        BrokenComponent: it is too large, or a label differs.
    """
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    largest = 0.0
    for n in BATCHES:
        x = random_input(graph, n)
        found = session.run(list(OUTPUTS), {graph.names[0]: x.numpy()})
        with torch.no_grad():
            z, q, labels = graph(x)
        best = q.topk(2, dim=1).values
        for kind, name, ours, theirs in (
            ("encoder", "embedding", z.numpy(), found[0]),
            ("head", "soft assignment", q.numpy(), found[1]),
        ):
            apart = difference(ours, theirs)
            largest = max(largest, apart)
            if not apart <= TOLERANCE:  # also where one is NaN
                raise BrokenComponent(
                    f"{_owner(run, kind)} cannot be exported to ONNX: for {n} random images, the {name} differs by "
                    f"{apart:.2g} from the model's, and {TOLERANCE:g} is allowed. It may read numbers from tensors and "
                    "compute with them."
                )
        clear = (best[:, 0] - best[:, 1] > TOLERANCE).numpy()
        if not np.array_equal(found[2][clear], labels.numpy()[clear]):
            raise BrokenComponent(f"{_owner(run, 'head')} cannot be exported to ONNX: the graph gives other labels.")
    return largest


def _describe(side: Any) -> dict[str, Any]:
    """Type and shape of an input or output of a graph."""
    tensor = side.type.tensor_type
    shape = [dimension.dim_param or dimension.dim_value for dimension in tensor.shape.dim]
    return {"type": {1: "float32", 7: "int64", 11: "float64"}[tensor.elem_type], "shape": ["N", *shape[1:]]}


def _input_words(graph: Graph) -> str:
    if not graph.rows:
        return "float32 (N, C, H, W) in [0, 1], scaled before: by 255, or as scale, center and spread say"
    return (
        "float64 (N, D), unscaled: the graph scales it" if graph.scaled else "float32 (N, D), as the model was trained"
    )


def _scaling(parameters: Mapping[str, Any]) -> tuple[Sequence[float] | None, Sequence[float] | None]:
    """What is subtracted from the numbers of a table, and what they are divided by, as `decda.core.arrays` says it."""
    if not {"scale", "center", "spread"} <= set(parameters):  # images, or the rows of another data set
        return None, None
    center, spread = (tuple(map(float, parameters[name])) for name in ("center", "spread"))
    if center:
        return center, spread
    divisor = Scaling(str(parameters["scale"])).divisor
    return (None, None) if divisor == 1 else ((0.0,), (divisor,))


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
