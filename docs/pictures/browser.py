"""Takes pictures of a page in Chromium."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
FRAME = "#c9ced6"
"""Of a picture, which would else have no edge on a white page."""
ABOVE, BELOW = 16, 8
"""What a part of a picture shows beyond the elements that it begins and ends with, in pixels."""


def photograph(page: Path, parts: Sequence[tuple[str, str]], image: Path, *, width: int, quality: int = 80) -> None:
    """Take a picture of parts of a page, one below the other.

    Args:
        page: a file of HTML.
        parts: of each the CSS selectors of the element that it begins with and of the one that it ends with.
        image: the WebP file to write.
        width: of the window and of the picture, in pixels.
        quality: of the picture, at most 100.
    """
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        window = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="light")
        window.goto(page.resolve().as_uri())
        window.wait_for_timeout(500)
        bounds = []
        for first, last in parts:
            begin, end = window.locator(first).first.bounding_box(), window.locator(last).first.bounding_box()
            assert begin is not None, first
            assert end is not None, last
            bounds.append((round(max(begin["y"] - ABOVE, 0)), round(end["y"] + end["height"] + BELOW)))
        whole = Image.open(io.BytesIO(window.screenshot(full_page=True))).convert("RGB")
        browser.close()
    picture = Image.new("RGB", (width, sum(bottom - top for top, bottom in bounds)))
    y = 0
    for top, bottom in bounds:
        picture.paste(whole.crop((0, top, width, bottom)), (0, y))
        y += bottom - top
    ImageDraw.Draw(picture).rectangle([0, 0, width - 1, picture.height - 1], outline=FRAME)
    picture.save(image, quality=quality, method=6)
