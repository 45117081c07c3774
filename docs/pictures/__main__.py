"""Makes the pictures of README.md and docs/, each from a run that is trained here.

    python docs/pictures photos      photos/ and new-photos/ in the current folder: the images of the tutorial
    python docs/pictures readme      docs/images/first-run.svg and report.webp: the first command; 2 minutes
    python docs/pictures tutorial    docs/images/tutorial-*.webp: the runs of docs/tutorial.md; 10 minutes

All but `photos` need Chromium and its driver besides decda: `python -m pip install playwright`. On one thread
(`OMP_NUM_THREADS=1`), equal versions make equal pictures, but for the times that the terminal shows.
docs/images/dec-da.svg was drawn by hand.
"""

import sys
from pathlib import Path

from photos import draw_photos

IMAGES = Path(__file__).parents[1] / "images"


def main() -> None:
    """Make what the command line names."""
    what = sys.argv[1:]
    if what == ["photos"]:
        draw_photos(Path("photos"), 300, damaged=True)
        draw_photos(Path("new-photos"), 24, seed=1, strange=1)
    elif what == ["readme"]:
        from readme import make_pictures

        make_pictures(IMAGES)
    elif what == ["tutorial"]:
        from tutorial import make_pictures as make_tutorial

        make_tutorial(IMAGES)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
