"""What `decda judge` shows."""

from typing import Any

import pytest

from decda.console.judging import print_judgement

RUN = {"neighbours": 0.5, "silhouette": 0.2, "agreement": 0.9, "uncertain": 0.1, "smallest": 0.04, "acc": None}


def judgement(*runs: dict[str, Any], best: str | None = None) -> dict[str, Any]:
    """What `Judgement.as_mapping` returns, as far as it is shown."""
    return {"dataset": "usps", "n_samples": 9, "best": best, "reason": "Use it.", "runs": list(runs), "unfinished": []}


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Runs are shown by their names below the folder that holds them, the best one marked."""
    print_judgement(judgement({**RUN, "run": "all/x/a"}, {**RUN, "run": "all/b", "acc": 0.8}, best="all/b"))
    out, err = capsys.readouterr()
    assert out == ""
    assert "usps: 9 images, 2 runs in all" in err
    rows = [line.strip("│ ").split() for line in err.splitlines()]
    assert ["run", "neighbours", "silhouette", "agreement", "uncertain", "smallest", "ACC"] in rows
    assert ["x/a", ".500", ".200", ".900", ".100", ".040"] in rows
    assert ["*", "b", ".500", ".200", ".900", ".100", ".040", ".800"] in rows
    assert "it plays no part in the choice" in " ".join(err.replace("│", "").split())
    assert "Use it." in err
    assert "Left out" not in err


def test_what_is_unknown_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Without classes there is no ACC and no word about it; no run is marked if none is best."""
    print_judgement(judgement({**RUN, "run": "a", "agreement": None}))
    err = capsys.readouterr().err
    assert "ACC" not in err
    assert "agreement" not in err
    assert "*" not in err
    assert "1 run " in err


def test_markup_is_not_interpreted(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of folders are shown as they are, without control characters."""
    print_judgement({**judgement({**RUN, "run": "[b]x[/c]\n"}), "unfinished": ["[i]y"]})
    err = capsys.readouterr().err
    assert "[b]x[/c]\\n" in err
    assert "Left out, because not finished: [i]y" in err
