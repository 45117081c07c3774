"""The rules for data sets, with functions that break each of them."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch

from decda.core.contracts import ImageSet, ImageSource
from decda.core.files import Files
from decda.testing import check_dataset
from decda.testing.rules import Subject
from decda.testing.suite import try_all
from tests.testing.breakages import Breakage


def sound(*, n: Annotated[int, "images"] = 20, seed: Annotated[int, "random seed"] = 0) -> ImageSet:
    """Noise in two classes."""
    x = torch.rand(n, 1, 6, 5, generator=torch.Generator().manual_seed(seed))
    return ImageSet(x, torch.arange(n) % 2, [f"noise-{i}" for i in range(n)])


def unlabelled() -> ImageSet:
    """uint8 images without classes."""
    return ImageSet((sound().x * 255).to(torch.uint8))


class Stream(ImageSource):
    """The same images, read part by part; the third one cannot be."""

    def __init__(self, contrast: float):
        x = sound().x * contrast
        self.x, self.shape, self.dtype = x, tuple(x.shape), torch.float32
        self.y, self.settings = torch.arange(20) % 2, {"contrast": contrast}

    def read(self, start: int, stop: int):
        return self.x[start:stop], {i: "damaged" for i in range(start, stop) if i == 2}


def streamed(input_shape, *, contrast: Annotated[float, "0: found out"] = 0.0) -> ImageSource:
    """Images that are read part by part, with a setting that is found out."""
    return Stream(contrast or 0.5)


def table() -> ImageSet:
    """Rows of any numbers."""
    return ImageSet(torch.randn(20, 1, 1, 4, generator=torch.Generator().manual_seed(0)), value_range=None)


@pytest.mark.parametrize("factory", [sound, unlabelled, streamed, table])
def test_sound_functions_pass(factory) -> None:
    """Sound data sets break no rule: with or without classes, as floats or uint8, as a source, as a table."""
    check_dataset(factory)


def from_file(files: Files) -> ImageSet:
    """Images in a file."""
    content = files.get("there/images.bin")
    return ImageSet(torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 1, 2, 2))


def test_rules_are_skipped_if_a_file_is_missing(tmp_path: Path) -> None:
    """If a data file is missing, rules are skipped and name the file; if it exists, they are checked."""
    files = Files(tmp_path, offline=True)
    outcomes = list(try_all(Subject("dataset", "the part", from_file, files=files)))
    assert [outcome.status for outcome in outcomes] == ["passed"] + ["skipped"] * (len(outcomes) - 1)
    assert all("there/images.bin" in outcome.seen for outcome in outcomes[1:])
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "images.bin").write_bytes(bytes(range(16)))
    outcomes = list(try_all(Subject("dataset", "the part", from_file, files=files)))
    assert {outcome.status for outcome in outcomes} == {"passed", "skipped"}
    assert [outcome.rule.name for outcome in outcomes if outcome.status == "skipped"] == ["labels"]
    check_dataset(from_file, files=files)


def test_read_only_memory_is_accepted(tmp_path: Path) -> None:
    """Images in a read-only memory-mapped file are checked without writing to them."""
    (tmp_path / "images.bin").write_bytes(bytes(range(240)) * 5)

    def mapped() -> ImageSet:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's warning about read-only memory
            x = torch.from_numpy(np.memmap(tmp_path / "images.bin", np.uint8, "r", shape=(20, 1, 6, 10)))
        return ImageSet(x, torch.arange(20) % 2)

    check_dataset(mapped)


def wants_more(n: int = 5) -> ImageSet:
    return sound()


def finds_what_it_does_not_declare() -> ImageSet:
    return ImageSet(sound().x, settings={"size": 6})


def finds_other_settings(*, contrast: Annotated[float, "0: found out"] = 0.0) -> ImageSet:
    return ImageSet(sound().x * (contrast or 0.5), settings={"contrast": 0.4})


def no_images() -> Any:
    return sound().x


def too_bright() -> ImageSet:
    return ImageSet(sound().x * 255)


def one_image() -> ImageSet:
    return ImageSet(sound().x[:1])


def half_labelled() -> ImageSet:
    return ImageSet(sound().x, torch.zeros(3, dtype=torch.int64))


def counted_from_minus_one() -> ImageSet:
    return ImageSet(sound().x, torch.arange(20) % 3 - 1)


def of_one_class() -> ImageSet:
    return ImageSet(sound().x, torch.zeros(20, dtype=torch.int64))


def drawn_by_torch() -> ImageSet:
    return ImageSet(torch.rand(20, 1, 6, 5))


def drawn_by_numpy() -> ImageSet:
    return ImageSet(torch.from_numpy(np.random.rand(20, 1, 6, 5).astype("float32")))


def shuffled_labels() -> ImageSet:
    return ImageSet(sound().x, (torch.arange(20) % 2)[torch.randperm(20)])


KEPT = sound()


def kept() -> ImageSet:
    return KEPT


def reseeding() -> ImageSet:
    np.random.seed(0)
    return sound()


class Unpicklable(ImageSet):
    def __reduce__(self) -> Any:
        raise TypeError("not me")


def unpicklable() -> ImageSet:
    return Unpicklable(sound().x)


def loud() -> ImageSet:
    print("loading")
    return sound()


BREAKAGES = [
    Breakage("signature", wants_more, "'n' stands before the star, where only files, input_shape may"),
    Breakage("images", no_images, "it must return an ImageSet, not Tensor"),
    Breakage("images", too_bright, "not in [0, 1]"),
    Breakage("images", one_image, "it has 1 image"),
    Breakage("images", half_labelled, "int64 of shape (20,)"),
    Breakage("labels", counted_from_minus_one, "the smallest label is -1"),
    Breakage("labels", of_one_class, "of one class"),
    Breakage("settings", finds_what_it_does_not_declare, "it fills in 'size'"),
    Breakage("settings", finds_other_settings, "it returns different images"),
    Breakage("determinism", drawn_by_torch, "a second call returns different images"),
    Breakage("determinism", drawn_by_numpy, "a second call returns different images"),
    Breakage("determinism", shuffled_labels, "a second call returns different labels"),
    Breakage("determinism", kept, "the same memory"),
    Breakage("global generators", reseeding, "of numpy.random;"),
    Breakage("copies", unpicklable, "TypeError: not me"),
    Breakage("stdout", loud, "loading"),
]
