"""The name of the processor."""

import platform
from pathlib import Path

import pytest

from decda.core.process import processor


def test_the_name_of_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read where Linux states it; elsewhere the architecture has to do."""
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert processor.processor_name() in (platform.processor(), platform.machine())
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Abacus: 3000\nprocessor : 1\nmodel name\t: Other\n")
    assert processor.processor_name() == "Abacus: 3000"
