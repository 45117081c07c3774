"""Pages in a real browser: nothing fails, nothing is loaded, and they can be used by mouse, keyboard and finger.

Needs Chromium, as `chromium`, `chromium-browser` or `google-chrome` on the path, or where `DECDA_CHROMIUM` says.
Without it these tests are skipped; with the variable set they fail instead.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decda.core.config.composition import compose
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.report.page import run_page
from decda.core.runs.images import load_images
from decda.core.runs.inference import load_run
from decda.core.runs.reporting import gather
from decda.core.studies.comparison import compare
from decda.core.studies.comparison_page import page_of

playwright = pytest.importorskip("playwright.sync_api")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
HOSTILE = '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=1">\'"\u202egnp.exe'
VIEWS = [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")]


def chromium() -> str | None:
    named = os.environ.get("DECDA_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(finished_run: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run whose clusters are the classes, so that there are ten; its images have hostile names."""
    run = load_run(finished_run, registry)
    images = load_images(compose(registry, config=run.config.as_mapping()), registry, Files(offline=True))
    assert images.y is not None
    labels = images.y.numpy()
    run = replace(run, labels=labels, names=[f"{HOSTILE} {number}" for number in range(len(labels))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("decda.core.runs.exhibits.SHOWN", 150)
        facts = gather(run, images, registry)
    return run_page(replace(facts, title=HOSTILE)).save(tmp_path_factory.mktemp("pages") / "report.html")


@pytest.fixture(scope="module")
def comparison(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of(compare([finished_run, finished_run]), HOSTILE).save(
        tmp_path_factory.mktemp("pages") / "compare.html"
    )


@pytest.fixture
def opened(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Opens a page; at the end, nothing must have failed, been loaded, or asked the user anything."""
    tabs, faults = [], []

    def open_page(path: Path, width: int = 1280, scheme: str = "light", **how: Any) -> Any:
        tab = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce", **how
        )
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("dialog", lambda dialog: faults.append(dialog.message))
        address = path.as_uri()
        tab.on("request", lambda asked: asked.url.startswith(("data:", address)) or faults.append(asked.url))
        tab.goto(address)
        tabs.append(tab)
        return tab

    yield open_page
    pwned = [tab.evaluate("window.pwned") for tab in tabs]
    for tab in tabs:
        tab.close()
    assert faults == []
    assert pwned == [None] * len(tabs)


def point_at(tab: Any, number: int) -> None:
    """Move the mouse to a mark of the map that is shown."""
    marks = tab.locator("figure:not([hidden]) .map g[data-from] use")
    marks.nth(number).scroll_into_view_if_needed()
    box = marks.nth(number).bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_pages_fit(kind: str, width: int, scheme: str, opened: Any, request: pytest.FixtureRequest) -> None:
    """Wide or narrow, light or dark, nothing is wider than the window, and text has a contrast of at least 4.5."""
    tab = opened(request.getfixturevalue(kind), width, scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    ground, text = (
        tab.evaluate(f"getComputedStyle(document.documentElement).{name}") for name in ("backgroundColor", "color")
    )
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    soft = tab.evaluate("getComputedStyle(document.querySelector('.about')).color")
    for colour in (text, soft):
        assert contrast(colour, ground) >= 4.5


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2 of two colours, `rgb(0, 0, 0)`."""

    def luminance(colour: str) -> float:
        channels = np.array([int(value) for value in colour[4:-1].split(",")]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("width", [1280, 400])
def test_hover_shows_the_image(width: int, report: Path, opened: Any) -> None:
    """Over a mark, the image is drawn with its name, cluster and confidence; beside it, nothing is shown."""
    tab = opened(report, width)
    point_at(tab, 40)
    tab.wait_for_selector("#tip:not([hidden])")
    text = tab.inner_text("#tip p")
    assert "cluster" in text
    assert "confidence" in text
    assert "<script>" in text  # the name, as text
    drawn = tab.evaluate(
        "(() => { const c = document.querySelector('#tip canvas');"
        "return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size; })()"
    )
    assert drawn > 3
    box = tab.locator("#tip").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    tab.mouse.move(2, 2)
    tab.wait_for_selector("#tip", state="hidden")


def test_the_map_by_keyboard(report: Path, opened: Any) -> None:
    """Arrow keys go from image to image, which is told to screen readers; escape ends it."""
    tab = opened(report)
    tab.locator("figure:not([hidden]) .map").focus()
    told = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
        tab.keyboard.press(key)
        told.append(tab.inner_text("#told"))
    assert all("cluster" in text for text in told)
    assert len(set(told)) > 1
    tab.keyboard.press("Escape")
    assert tab.locator("#tip").is_hidden()


def test_clusters_can_be_picked(report: Path, opened: Any) -> None:
    """A button of the legend shows its cluster alone, and the images of others are not pointed out any more."""
    tab = opened(report)
    button = tab.locator(".legend button").nth(3)
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    shown = tab.locator("figure:not([hidden]) .map g.on")
    assert shown.count() == 1
    assert shown.get_attribute("data-cluster") == "3"
    point_at(tab, 0)  # of cluster 0
    assert tab.locator("#tip").is_hidden() or "cluster 3" in tab.inner_text("#tip p")
    button.click()
    assert tab.locator(".map.picked").count() == 0


def test_one_map_at_a_time(report: Path, opened: Any) -> None:
    """Buttons choose between the layouts; for printing, and without a script, all are shown."""
    tab = opened(report)
    for number in (0, 1):
        tab.locator(".tabs button").nth(number).click()
        assert [f.is_visible() for f in tab.locator(".maps figure").all()] == [number == 0, number == 1]
    tab.emulate_media(media="print")
    assert [figure.is_visible() for figure in tab.locator(".maps figure").all()] == [True, True]
    plain = opened(report, java_script_enabled=False)
    assert [figure.is_visible() for figure in plain.locator(".maps figure").all()] == [True, True]


def test_tables_sort(report: Path, opened: Any) -> None:
    """A click on a heading sorts by numbers, up and then down, and says so to screen readers."""
    tab = opened(report)
    table = tab.locator("#clusters table.sortable")
    heading = table.locator("thead th").nth(1)
    for direction in ("ascending", "descending"):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == direction
        sizes = [int(text.replace(",", "")) for text in table.locator("tbody td:nth-child(2)").all_inner_texts()]
        assert sizes == sorted(sizes, reverse=direction == "descending")
        assert len(sizes) == 10


def test_a_notebook_shows_the_report(report: Path, opened: Any, tmp_path: Path) -> None:
    """In the frame of a notebook the map can be used as in the page."""
    from decda.core.report.page import Page

    page = Page(report.read_text(encoding="utf-8"))
    (tmp_path / "notebook.html").write_text(
        f"<!doctype html><meta charset=utf-8>{page._repr_html_()}", encoding="utf-8"
    )
    tab = opened(tmp_path / "notebook.html")
    frame = tab.frame_locator("iframe")
    frame.locator("h1").wait_for()
    frame.locator(".tabs button").nth(0).click()
    assert frame.locator(".maps figure").nth(1).is_hidden()
