"""Pages are one file, need no other, and take text as text."""

import base64
import hashlib
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from decda.core.errors import OutputError
from decda.core.report.facts import (
    Cluster,
    Comparison,
    ComparisonFacts,
    Confusion,
    Curve,
    Figure,
    Map,
    Pair,
    Points,
    Row,
    RunFacts,
    Score,
    Setting,
)
from decda.core.report.page import Page, comparison_page, run_page

HOSTILE = '<script>alert("x")</script>\'"&\u202eabc' + "y" * 10_000
PICTURES = np.zeros((2, 4, 4), np.uint8)


def facts(text: str = "plain", pictures: bool = True) -> RunFacts:
    """Everything that a report can show, with one text in all places."""
    shown = PICTURES if pictures else None
    row = Row(text, [text, text], shown)
    points = Points(
        np.arange(2), np.array([0, 1]), np.array([0.5, 0.9], np.float32), [text, text], shown,
        [Map("PCA", np.eye(2)), Map("t-SNE", np.eye(2))],
    )  # fmt: skip
    center = PICTURES[:1] if pictures else None
    clusters = [Cluster(n, 1, 0.5, 0.7, center, [row], [(text, 0.75)]) for n in (0, 1)]
    return RunFacts(
        title=text, about=text, verdict=[text], warnings=[text], settings=[Setting(text, text, text)],
        scores=[Score("ACC", text, 0.5, None, 0.25)], figures=[Figure(text, "1", text)],
        curves=[Curve(text, text, {text: ([1.0, 2.0], [1.0, 2.0])})], points=points, clusters=clusters, n_clusters=2,
        n_images=2, pairs=[Pair(0, 1, 1, row)], confusion=Confusion([0, 1], [text, text], np.array([[1, 0], [0, 1]])),
        comparisons=[Comparison(text, text, [row])] if pictures else [], notes=[text], repeat=[text],
        facts={"recipe": text},
    )  # fmt: skip


class Tags(HTMLParser):
    """The elements of a page, and whether they are closed in order."""

    VOID = ("meta", "link", "img", "br", "use", "path", "circle")

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("pictures", [True, False])
def test_well_formed(pictures: bool) -> None:
    """Every element is closed, identifiers are unique, links lead to something, and pictures have alternative texts."""
    tags = Tags(run_page(facts(pictures=pictures)).html)
    assert tags.open == []
    names = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    assert len(names) == len(set(names))
    links = [a["href"] or "" for tag, a in tags.seen if tag in ("a", "use") and (a.get("href") or "").startswith("#")]
    assert links
    assert {link[1:] for link in links} <= set(names)
    assert all("alt" in attributes for tag, attributes in tags.seen if tag == "img")
    assert any(tag == "img" for tag, _ in tags.seen) == pictures


def test_nothing_is_loaded() -> None:
    """No address leads out of the page, and its policy allows pictures in it and its own script alone."""
    page = run_page(facts()).html
    addresses = [a[name] or "" for _, a in Tags(page).seen for name in ("src", "href", "xlink:href") if name in a]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "@import" not in page
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert html.unescape(policy) == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


@pytest.mark.parametrize("pictures", [True, False])
def test_hostile_texts_are_text(pictures: bool) -> None:
    """Markup in any name, setting or sentence makes no element, and long ones do not fill the page."""
    plain, hostile = run_page(facts(pictures=pictures)).html, run_page(facts(HOSTILE, pictures)).html
    assert [tag for tag, _ in Tags(hostile).seen] == [tag for tag, _ in Tags(plain).seen]
    assert "<script>alert" not in hostile
    assert len(hostile) < len(plain) + 10 * len(HOSTILE)
    assert Tags(hostile).open == []


def test_hostile_comparison() -> None:
    """The same holds for the page of a comparison."""

    def page(text: str) -> str:
        curve = Curve("loss", "epoch", {"a": ([1.0, 2.0], [1.0, 2.0])})
        return comparison_page(
            ComparisonFacts(
                text, text, [text], [text], [text, text], {"ACC": ["0.5", "0.6"]}, [[None, 0.5], [0.5, None]],
                {text: [text, text]}, [curve],
            )
        ).html  # fmt: skip

    assert [tag for tag, _ in Tags(page(HOSTILE)).seen] == [tag for tag, _ in Tags(page("plain")).seen]
    assert Tags(page(HOSTILE)).open == []


def test_what_is_not_known_is_left_out() -> None:
    """Without images, classes, curves or warnings the page is still whole."""
    bare = replace(
        facts(pictures=False), points=None, confusion=None, curves=[], warnings=[], scores=[], pairs=[], settings=[]
    )
    page = run_page(bare).html
    tags = Tags(page)
    assert tags.open == []
    assert "Nothing was found that speaks against" in page
    links = {(a["href"] or "")[1:] for tag, a in tags.seen if tag == "a"}
    assert links <= {attributes.get("id") for _, attributes in tags.seen}


def test_notebooks_show_a_page() -> None:
    """A notebook gets the page in a frame, in which the page's own script may run and nothing else."""
    page = Page('<p title="a">&amp;</p>')
    shown = page._repr_html_()
    (frame,) = [attributes for tag, attributes in Tags(shown).seen if tag == "iframe"]
    assert frame["srcdoc"] == page.html
    assert frame["sandbox"] == "allow-scripts"
    assert repr(page) == "<Page of 0.0 MB; save(path) writes it>"


def test_saving_replaces_the_page_or_leaves_it(tmp_path: Path) -> None:
    """A page replaces the former one; where it cannot be written there is an error, and nothing else."""
    path = tmp_path / "report.html"
    assert Page("one").save(path) == path
    Page("two").save(str(path))
    assert path.read_text() == "two"
    with pytest.raises(OutputError):
        Page("three").save(tmp_path / "none" / "report.html")
    assert list(tmp_path.iterdir()) == [path]
