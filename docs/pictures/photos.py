"""The colour images of the tutorial, drawn: boats, houses, trees, fish and balloons, in JPEG files of several sizes.

`python docs/pictures photos DIR` writes them; equal seeds give equal images.
"""

import colorsys
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLED = 4
"""Images are drawn this many times as large and shrunk, so that their edges are smooth."""
SIDES = (40, 48, 56)
SHARES = (0.26, 0.22, 0.2, 0.18, 0.14)
"""Of each kind: nobody's photographs come in equal numbers."""
Colour = tuple[int, int, int]


class Canvas:
    """An image that is drawn in coordinates from 0 to 1, shifted and scaled at random.

    Args:
        random: of every draw.
        width: of the finished image, in pixels.
        height: likewise.
    """

    def __init__(self, random: np.random.Generator, width: int, height: int):
        self.random = random
        self.size = (width, height)
        self.image = Image.new("RGB", (width * SUPERSAMPLED, height * SUPERSAMPLED))
        self.draw = ImageDraw.Draw(self.image)
        self.scale = random.uniform(0.7, 1.2)
        self.shift = random.uniform(-0.1, 0.1, 2)

    def colour(self, hue: tuple[float, float], saturation: float, value: float) -> Colour:
        """A colour from a range of hues (0 to 1), a little more or less saturated and bright than asked for."""
        parts = [self.random.uniform(*hue) % 1, saturation, value]
        parts[1:] = [min(max(part + self.random.uniform(-0.08, 0.08), 0), 1) for part in parts[1:]]
        red, green, blue = colorsys.hsv_to_rgb(*parts)
        return round(255 * red), round(255 * green), round(255 * blue)

    def background(self, upper: Colour, lower: Colour) -> None:
        """Fill the image by a gradient from one colour to another."""
        share = np.linspace(0, 1, self.image.height)[:, None, None]
        rows = np.array(upper) * (1 - share) + np.array(lower) * share
        self.image.paste(Image.fromarray(np.repeat(rows, self.image.width, 1).round().astype(np.uint8)))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is in pixels."""
        x, y = ((value - 0.5) * self.scale + 0.5 + shift for value, shift in zip((x, y), self.shift, strict=True))
        return x * self.image.width, y * self.image.height

    def polygon(self, colour: Colour, *points: tuple[float, float]) -> None:
        """Fill a polygon."""
        self.draw.polygon([self.at(*point) for point in points], fill=colour)

    def ellipse(self, colour: Colour, x: float, y: float, width: float, height: float) -> None:
        """Fill an ellipse around a point."""
        self.draw.ellipse(
            [*self.at(x - width / 2, y - height / 2), *self.at(x + width / 2, y + height / 2)], fill=colour
        )

    def ground(self, colour: Colour, y: float) -> None:
        """Fill all that lies below a height."""
        self.draw.rectangle([0, self.at(0, y)[1], *self.image.size], fill=colour)

    def finished(self) -> Image.Image:
        """The image, shrunk, with the noise of a camera."""
        small = np.asarray(self.image.resize(self.size, Image.Resampling.BOX), dtype=float)
        noisy = small + self.random.normal(0, 4, small.shape)
        return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))


def _sky(canvas: Canvas) -> None:
    """By day or, now and then, in the evening."""
    if canvas.random.random() < 0.25:
        canvas.background(canvas.colour((0.62, 0.75), 0.35, 0.6), canvas.colour((0.03, 0.11), 0.4, 0.92))
    else:
        canvas.background(canvas.colour((0.54, 0.62), 0.35, 0.88), canvas.colour((0.5, 0.66), 0.12, 0.95))


def boat(canvas: Canvas) -> None:
    """A sailing boat on the sea."""
    _sky(canvas)
    canvas.ground(canvas.colour((0.55, 0.62), 0.6, 0.6), 0.72)
    canvas.polygon(canvas.colour((0, 1), 0.5, 0.45), (0.2, 0.66), (0.84, 0.66), (0.72, 0.82), (0.32, 0.82))
    canvas.polygon(canvas.colour((0.0, 0.15), 0.25, 0.95), (0.5, 0.12), (0.5, 0.61), (0.8, 0.61))
    canvas.polygon(canvas.colour((0.0, 0.15), 0.6, 0.9), (0.47, 0.2), (0.47, 0.61), (0.26, 0.61))


def house(canvas: Canvas) -> None:
    """A house with a roof, a door and a window, on grass."""
    _sky(canvas)
    canvas.ground(canvas.colour((0.24, 0.34), 0.5, 0.6), 0.8)
    canvas.polygon(canvas.colour((0.05, 0.15), 0.25, 0.9), (0.22, 0.44), (0.78, 0.44), (0.78, 0.86), (0.22, 0.86))
    canvas.polygon(canvas.colour((-0.03, 0.06), 0.65, 0.6), (0.14, 0.46), (0.5, 0.14), (0.86, 0.46))
    canvas.polygon(canvas.colour((0, 1), 0.5, 0.4), (0.3, 0.58), (0.44, 0.58), (0.44, 0.86), (0.3, 0.86))
    canvas.polygon(canvas.colour((0.5, 0.6), 0.4, 0.7), (0.54, 0.54), (0.7, 0.54), (0.7, 0.7), (0.54, 0.7))


def tree(canvas: Canvas) -> None:
    """A tree on grass."""
    _sky(canvas)
    canvas.ground(canvas.colour((0.22, 0.32), 0.45, 0.65), 0.82)
    canvas.polygon(canvas.colour((0.05, 0.09), 0.6, 0.4), (0.44, 0.5), (0.56, 0.5), (0.6, 0.9), (0.4, 0.9))
    leaves = canvas.colour((0.2, 0.38), 0.65, 0.45)
    for angle in canvas.random.uniform(0, 2 * math.pi) + np.arange(5) * 2 * math.pi / 5:
        canvas.ellipse(leaves, 0.5 + 0.15 * math.cos(angle), 0.36 + 0.13 * math.sin(angle), 0.4, 0.36)


def fish(canvas: Canvas) -> None:
    """A fish under water."""
    canvas.background(canvas.colour((0.48, 0.58), 0.55, 0.7), canvas.colour((0.52, 0.62), 0.7, 0.4))
    skin = canvas.colour((-0.05, 0.16), 0.7, 0.9)
    turn = 1 if canvas.random.random() < 0.5 else -1
    canvas.polygon(skin, *((0.5 + turn * x, y) for x, y in ((-0.22, 0.5), (-0.44, 0.3), (-0.44, 0.7))))
    canvas.ellipse(skin, 0.5 + turn * 0.05, 0.5, 0.66, 0.38)
    canvas.ellipse((250, 250, 250), 0.5 + turn * 0.22, 0.45, 0.11, 0.11)
    canvas.ellipse((20, 20, 20), 0.5 + turn * 0.23, 0.45, 0.06, 0.06)


def balloon(canvas: Canvas) -> None:
    """A hot-air balloon in the sky."""
    _sky(canvas)
    cloth = canvas.colour((0, 1), 0.7, 0.85)
    canvas.polygon(cloth, (0.3, 0.52), (0.7, 0.52), (0.56, 0.74), (0.44, 0.74))
    canvas.ellipse(cloth, 0.5, 0.38, 0.52, 0.56)
    canvas.ellipse(canvas.colour((0.1, 0.17), 0.5, 0.95), 0.5, 0.38, 0.2, 0.56)
    canvas.polygon(canvas.colour((0.05, 0.09), 0.6, 0.35), (0.43, 0.8), (0.57, 0.8), (0.56, 0.92), (0.44, 0.92))


def car(canvas: Canvas) -> None:
    """A car on a road, which none of the kinds below is."""
    _sky(canvas)
    canvas.ground(canvas.colour((0.6, 0.7), 0.05, 0.45), 0.74)
    paint = canvas.colour((0, 1), 0.7, 0.75)
    canvas.polygon(paint, (0.26, 0.52), (0.36, 0.36), (0.64, 0.36), (0.76, 0.52))
    canvas.polygon(canvas.colour((0.5, 0.6), 0.25, 0.85), (0.33, 0.51), (0.4, 0.4), (0.61, 0.4), (0.68, 0.51))
    canvas.polygon(paint, (0.1, 0.52), (0.9, 0.52), (0.9, 0.72), (0.1, 0.72))
    for x in (0.28, 0.72):
        canvas.ellipse((30, 30, 34), x, 0.73, 0.2, 0.2)
        canvas.ellipse((170, 170, 175), x, 0.73, 0.09, 0.09)


KINDS: tuple[Callable[[Canvas], None], ...] = (boat, house, tree, fish, balloon)


def draw_photos(folder: Path, count: int, *, seed: int = 0, strange: int = 0, damaged: bool = False) -> list[str]:
    """Draw images into a folder, in random order.

    Args:
        folder: made if it does not exist.
        count: of the images of `KINDS`.
        seed: of every random draw.
        strange: cars beside them.
        damaged: whether there is a file, too, that was cut off while it was copied.

    Returns:
        What each image shows, in the order of their names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    numbers = np.diff(np.round(np.cumsum((0, *SHARES)) * count).astype(int))
    kinds = [kind for kind, number in zip(KINDS, numbers, strict=True) for _ in range(number)] + [car] * strange
    shown = [kinds[index] for index in random.permutation(len(kinds))]
    for number, kind in enumerate(shown):
        width, height = (int(side) for side in random.choice(SIDES, 2))
        canvas = Canvas(random, width, height)
        kind(canvas)
        canvas.finished().save(folder / f"IMG_{number:04}.jpg", quality=90)
    if damaged:
        (folder / f"IMG_{len(shown):04}.jpg").write_bytes((folder / "IMG_0000.jpg").read_bytes()[:300])
    return [kind.__name__ for kind in shown]


def contact_sheet(images: list[Image.Image], *, columns: int, side: int = 72, gap: int = 6) -> Image.Image:
    """Put images side by side.

    Args:
        images: of any size; enlarged or shrunk to fit, and centred.
        columns: images in a row.
        side: of the square that each gets, in pixels.
        gap: between them, in pixels.

    Returns:
        The sheet, transparent between the images.
    """
    rows = -(-len(images) // columns)
    sheet = Image.new("RGBA", (columns * (side + gap) - gap, rows * (side + gap) - gap))
    for number, image in enumerate(images):
        factor = side / max(image.size)
        fitted = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
        row, column = divmod(number, columns)
        x, y = column * (side + gap) + (side - fitted.width) // 2, row * (side + gap) + (side - fitted.height) // 2
        sheet.paste(fitted, (x, y))
    return sheet
