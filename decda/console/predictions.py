"""Shows how new images are assigned, how files are exported, and what came of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from decda.console.screen import Screen
from decda.core.events import Downloading, Event, ImagesRead
from decda.core.runs.naming import printable

SHOWN = 5
"""The most images that are named one by one."""


class ImagesDisplay:
    """Shows on stderr how many images have been read: live on a terminal, else as a plain line every few seconds.

    It is a listener to use in a `with` statement.

    Args:
        title: printed first.
        console: where to print, by default stderr.
    """

    def __init__(self, title: str, console: Console | None = None):
        self.screen = Screen(title, console)

    def __enter__(self) -> "ImagesDisplay":
        self.screen.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.screen.close()

    def __call__(self, event: Event) -> None:
        """Show an event.

        Args:
            event: any event; images that are read and downloads are shown.
        """
        if isinstance(event, ImagesRead):
            self.screen.images(event)
        elif isinstance(event, Downloading):
            self.screen.download(event)


def print_predictions(result: Mapping[str, Any], skipped_list: str | None = None) -> None:
    """Print the result of `decda predict` on stderr.

    Args:
        result: the result, as printed as JSON.
        skipped_list: the file that lists the images that cannot be read, if there is one.
    """
    where = [f"{what} in {result[name]}" for what, name in (("labels", "out"), ("embeddings", "embeddings"))
             if result[name]]  # fmt: skip
    body = [_sizes(result["sizes"])]
    if where:
        body.append(Text("; ".join(where)))
    see = f"; see {skipped_list}" if skipped_list else ""
    total = result["n_samples"] + len(result["skipped"])
    body += left_out(result["skipped"], total, f"cannot be read and {{are}} left out{see}")
    _print(body, f"{_images(result['n_samples'])}, {result['n_clusters']} clusters")


def print_clusters(result: Mapping[str, Any]) -> None:
    """Print the result of `decda export --format clusters` on stderr.

    Args:
        result: the result, as printed as JSON.
    """
    body: list[RenderableType] = [_sizes(result["sizes"]), Text(f"a folder for each cluster in {result['out']}")]
    total = result["n_samples"] + len(result["missing"])
    body += left_out(result["missing"], total, "{are} missing from the folders")
    how = {"copy": "copied", "link": "linked", "write": "written"}[result["how"]]
    _print(body, f"{_images(result['n_samples'])} {how}, {result['n_clusters']} clusters")


def print_onnx(result: Mapping[str, Any]) -> None:
    """Print the result of `decda export --format onnx` on stderr.

    Args:
        result: the result, as printed as JSON.
    """
    body = [
        *(Text(f"{name}: {side['type']} ({', '.join(str(n) for n in side['shape'])})")
          for name, side in {**result["inputs"], **result["outputs"]}.items()),
        Text(f"differs from the model by at most {result['difference']:.1e}, on {result['n_verified']} random images"),
        Text(f"{result['bytes'] / 1e6:.1f} MB in {result['out']}"),
    ]  # fmt: skip
    body += [Text(f"Note: {note}", style="yellow") for note in result["notes"]]
    _print(body, f"ONNX, opset {result['opset']}")


def left_out(images: Sequence[Sequence[str]], total: int, what: str) -> list[Text]:
    """Lines about images that something is wrong with: how many, and the first few with their reasons.

    Args:
        images: name and reason of each.
        total: the number of all images.
        what: is wrong; `{are}` becomes `is` for a single one.

    Returns:
        A line for the number and one for each of the first few; none if there are no such images.

    Example:
        >>> [line.plain for line in left_out([("a.png", "it is empty")], 20, "{are} left out")]
        ['Warning: 1 of 20 images is left out:', '  a.png: it is empty']
    """
    if not images:
        return []
    lines = [f"Warning: {len(images)} of {total} images {what.format(are='is' if len(images) == 1 else 'are')}:"]
    lines += [f"  {printable(name)[:80]}: {printable(reason)[:120]}" for name, reason in images[:SHOWN]]
    if len(images) > SHOWN:
        lines.append(f"  and {len(images) - SHOWN} more")
    return [Text(line, style="bold yellow" if line.startswith("W") else "yellow") for line in lines]


def _sizes(sizes: Sequence[int]) -> Text:
    return Text("images in each cluster: " + ", ".join(str(size) for size in sizes))


def _images(n: int) -> str:
    return f"{n} image{'' if n == 1 else 's'}"


def _print(body: Sequence[RenderableType], title: str) -> None:
    Console(stderr=True).print(Panel(Group(*body), title=Text(title), expand=False))
