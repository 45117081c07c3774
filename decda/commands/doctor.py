"""`decda doctor`: says what of decda is in place here, and what is not."""

import json
from pathlib import Path

import click

from decda.commands.options import FOLDER, no_plugins
from decda.core.process.stdout import stdout_to_stderr


@click.command()
@click.option("--data-root", type=FOLDER, metavar="DIR", help="Folder of the data files.")
@no_plugins
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def doctor(data_root: Path | None, as_json: bool) -> int:
    """Say what is in place here, and what is not.

    Looks at decda and the packages that it stands on, the machine, the parts that are installed, the data sets, and the
    folder for runs, and says of each what it means and what to do. Each part is imported, and data sets that are there
    are read and verified. Nothing is downloaded or changed.

    The exit code is 1 if something is broken that decda needs. What is `absent` is not needed.
    """
    from decda.core.process.threads import limit_spinning

    limit_spinning()
    from decda.console.doctor import print_topic, print_verdict
    from decda.core.diagnosis.check import Check, is_sound
    from decda.core.diagnosis.examination import examine
    from decda.core.parts.registry import Registry

    checks: list[Check] = []
    topics = examine(Registry.discover(), data_root)
    while True:
        with stdout_to_stderr():  # parts may print what they like
            topic = next(topics, None)
        if topic is None:
            break
        checks += topic
        if not as_json:
            print_topic(topic)
    if as_json:
        shown = [check.as_mapping() for check in checks]
        click.echo(json.dumps({"schema_version": 1, "sound": is_sound(checks), "checks": shown}))
    else:
        print_verdict(checks)
    return 0 if is_sound(checks) else 1
