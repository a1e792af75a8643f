# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p localize`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from diff2i2p.cli.common import Json, Matcher, Settings, Weights, app, read_config


@app.command()
def localize(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="Compiled map, .i2pmap.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="JPEG or PNG images.")],
    camera: Annotated[Path, typer.Option(help="Calibration as ROS camera_info YAML.")],
    weights: Weights = None,
    matcher: Matcher = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Where was the camera when it took these images?"""
    from diff2i2p.camera import Camera
    from diff2i2p.datasets.sequences import read_image
    from diff2i2p.localization.localizer import Localizer

    lens = Camera.from_yaml(camera)
    localizer = Localizer.open(map_file, weights, read_config(settings, matcher))
    answers = {str(path): localizer.localize(read_image(path), lens) for path in images}
    if as_json:
        return print(
            json.dumps(
                [{"image": name} | _answer(answer) for name, answer in answers.items()], indent=1
            )
        )
    table = Table("image", "status", "x y z [m]", "qx qy qz qw", "confidence", "ms")
    for name, answer in answers.items():
        row = _answer(answer)
        numbers = [
            " ".join(f"{v:.3f}" for v in row[key] or ()) for key in ("position", "quaternion")
        ]
        table.add_row(
            name,
            answer.status.name if answer.ok else answer.status.value,
            *numbers,
            f"{answer.confidence:.2f}",
            f"{row['ms']:.0f}",
        )
    Console().print(table)


def _answer(answer) -> dict:
    """One localization as JSON."""
    from scipy.spatial.transform import Rotation

    T = answer.T_map_camera
    return {
        "status": answer.status.name,
        "position": None if T is None else T[:3, 3].round(4).tolist(),
        "quaternion": None
        if T is None
        else Rotation.from_matrix(T[:3, :3]).as_quat().round(6).tolist(),
        "covariance": None if answer.covariance is None else answer.covariance.ravel().tolist(),
        "confidence": round(float(answer.confidence), 4),
        "matcher": answer.matcher,
        "ms": round(sum(answer.milliseconds.values()), 1),
    }
