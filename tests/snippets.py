"""The blocks of code in README.md and docs/, with the file and line where each stands."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = ("", "bash", "shell")
"""Languages of commands: what is not labelled otherwise is meant for a shell."""
FENCE = re.compile(r"^( *)```([\w-]*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """A block of code.

    Args:
        page: the file it is in, relative to the root.
        line: of its first line of code, from 1.
        language: as its fence says, or "".
        code: without the fences.
    """

    page: str
    line: int
    language: str
    code: str

    def commands(self) -> list[tuple[str, str]]:
        """The commands of a block for a shell, without comments, one each.

        Returns:
            For each the place, `docs/page.md:12`, and the command.
        """
        found, begun, number = [], "", self.line
        for offset, line in enumerate(self.code.splitlines()):
            number = self.line + offset if not begun else number
            begun += re.sub(r"(^|\s+)#.*", "", line).strip()
            if begun.endswith("\\"):
                begun = begun[:-1]
                continue
            found += [(f"{self.page}:{number}", command) for command in begun.split(" && ") if command]
            begun = ""
        return found


def snippets(page: Path) -> list[Snippet]:
    """The blocks of code of a page, in their order.

    Args:
        page: a file of Markdown.

    Returns:
        One record for each.
    """
    text, name = page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix()
    return [Snippet(name, text.count("\n", 0, found.start()) + 2, found[2], found[3]) for found in FENCE.finditer(text)]
