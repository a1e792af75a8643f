# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p doctor`."""

import json

import typer
from rich.console import Console

from diff2i2p.cli.common import Json, app


@app.command()
def doctor(as_json: Json = False):
    """What is installed, what is missing, and what to do about it."""
    from diff2i2p.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings], indent=1))
    else:
        for finding in findings:
            Console(highlight=False).print(
                f"[{'green' if finding.good else 'yellow'}]{'✓' if finding.good else '✗'}[/] {finding.sentence}"
            )
    raise typer.Exit(0 if all(finding.good for finding in findings if finding.required) else 1)
