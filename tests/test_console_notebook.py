"""A notebook shows a run in one output, which is rewritten in place."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import decda
from decda.console import notebook
from decda.core.config.composition import compose
from decda.core.events import PhaseStarted, Progress
from decda.core.parts.registry import Registry

SHORT = {"pretrain_epochs": 2, "max_iter": 40, "update_interval": 10}


class Output:
    """What IPython's display handle would show."""

    def __init__(self) -> None:
        self.made = 0
        self.shown: list[str] = []

    def display(self, content: Any, *, display_id: bool) -> "Output":
        assert display_id
        self.made += 1
        self.update(content)
        return self

    def update(self, content: Any) -> None:
        self.shown.append(content.data)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Output:
    """A kernel of IPython, as far as decda looks at it."""
    monkeypatch.chdir(tmp_path)
    output = Output()
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    shown = SimpleNamespace(display=output.display, HTML=lambda data: SimpleNamespace(data=data))
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return output


def test_one_output_that_is_rewritten(output: Output, registry: Registry, capsys: Any) -> None:
    """However many epochs and iterations there are, there is one output, seldom rewritten; nothing else is printed."""
    begin = time.monotonic()
    run = decda.train("digits", encoder="fc", train=SHORT, out="run", registry=registry)
    assert output.made == 1
    assert len(output.shown) < 12 + (time.monotonic() - begin) / notebook.UPDATE_SECONDS
    last = output.shown[-1]
    sentence, counts = "digits · fc · idec · affine", "1,797 images in 10 clusters"
    for words in (sentence, "2/2 epochs", "40/40 iterations", counts, "run.report()"):
        assert words in last
    assert f"ACC {run.metrics['acc']:.4f}" in last
    assert capsys.readouterr().err == ""


def test_updates_are_rare(output: Output, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two updates half a second goes by, unless a phase ends or something is told."""
    now = [100.0]
    monkeypatch.setattr(notebook.time, "monotonic", lambda: now[0])
    with notebook.NotebookDisplay(compose(registry)) as display:
        display(PhaseStarted("pretrain", 1000))
        before = len(output.shown)
        for step in range(1, 1000):
            now[0] += 0.01
            display(Progress("pretrain", step, 1000, {}))
    assert 15 <= len(output.shown) - before <= 25
    assert "/1,000 epochs" in output.shown[-1]


def test_texts_are_escaped(output: Output, registry: Registry, tmp_path: Path) -> None:
    """Names and warnings that look like markup are shown as text."""
    with notebook.NotebookDisplay(compose(registry), "<script>a</script>") as display:
        display.finish(
            {
                "n_samples": 3, "n_clusters": 2, "acc": None, "nmi": None, "ari": None, "seconds": {}, "run": "<b>",
                "warnings": ["<img>"],
            },
            [1, 2],
        )  # fmt: skip
    last = output.shown[-1]
    assert "<script>" not in last
    assert "<img>" not in last
    assert "in &lt;b&gt;" in last


def test_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without IPython, in a script that imported it, and in its terminal, there is no notebook."""
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not notebook.in_notebook()
    for shell in (None, type("TerminalInteractiveShell", (), {})()):
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert not notebook.in_notebook()
