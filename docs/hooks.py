"""What mkdocs does for this site: pages made of files outside docs/, and the reference of the commands."""

import re
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File, Files

from decda.cli import cli

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "benchmarks/README.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Pages of the site by the file that they are made of, which is outside of docs/."""
COMMANDS = "<!-- commands -->"
"""Where the reference of the commands stands in a page."""
ROW, CODE = re.compile(r"^\|.*\|$", re.MULTILINE), re.compile(r"`[^`]*`")
"""GitHub wants a bar within code to be escaped in a row of a table; Python-Markdown would show the backslash."""
BRACKET = r"\["
"""A bracket that begins no link."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from elsewhere.

    Args:
        files: those of docs/.
        config: of mkdocs.

    Returns:
        The same, with the pages.
    """
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let links to files outside of docs/ lead to their pages, and write the reference of the commands.

    Args:
        markdown: the text of a page.
        page: which page.
        config: of mkdocs.
        files: all of them.

    Returns:
        The text that the page is made of.
    """
    for source, target in ELSEWHERE.items():
        markdown = markdown.replace(f"](../{source}", f"]({target}")
    if page.file.src_uri in ELSEWHERE.values():
        markdown = re.sub(r"\]\((?:\.\./)?docs/", "](", markdown)
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, "\n".join(_reference()))
    return ROW.sub(lambda row: CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), markdown)


def _reference() -> Iterator[str]:
    """The reference of all commands, in Markdown."""
    with click.Context(cli, info_name="decda", **cli.context_settings) as top:
        yield "| command | what it does |\n| --- | --- |"
        commands = {name: cli.get_command(top, name) for name in cli.list_commands(top)}
        for name, command in commands.items():
            yield f"| [`decda {name}`](#decda-{name}) | {command.get_short_help_str(200) if command else ''} |"
        yield "\n`decda` itself takes:"
        yield from _options(cli, top)
        for name, command in commands.items():
            assert command is not None
            with click.Context(command, info_name=name, parent=top) as context:
                usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
                yield f"\n## decda {name}\n\n```text\n{usage}\n```\n\n{cleandoc(command.help or '')}\n"
                yield from _options(command, context)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """The options of a command, as a table."""
    yield "\n| option | means |\n| --- | --- |"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and not isinstance(parameter, click.Argument):
            words, text = (" ".join(part.split()).replace("|", r"\|") for part in record)
            yield f"| `{words}` | {text.replace('[', BRACKET)} |"
