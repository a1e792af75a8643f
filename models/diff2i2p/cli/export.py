# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p export`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from diff2i2p.cli.common import Json, Settings, app, notes, read_config

# Fine points of one node, where no map says how many there are; derived: a node is 8 times as wide
# as their spacing (4 levels that double it), so that a surface through it has 64 of them; four
# surfaces.
MEMBERS = 256


@app.command()
def export(
    onnx: Annotated[
        Path,
        typer.Option(
            help="Graph of the photo, NAME.onnx; beside it NAME.geometry.onnx of the drawn map and"
            " NAME.matching.onnx. The paper's network has no drawing."
        ),
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights file, or the name of shipped weights; without, the first shipped."
        ),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="Compiled map that decides how large the matching graph is."),
    ] = None,
    views: Annotated[
        int,
        typer.Option(
            help="Of the paper's network: candidate views matched at once, 1 in tracking,"
            " retrieval.candidates when lost.",
            min=1,
        ),
    ] = 1,
    height: Annotated[
        int | None,
        typer.Option(help="Height of the rectified image; without, 3/4 of image.width.", min=16),
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Write the network as ONNX graphs of fixed shapes, for TensorRT or any other runtime.

    Runtime onnxruntime makes its own.
    """
    from diff2i2p.mapping.compiled_map import CompiledMap
    from diff2i2p.network.geometry_network import GeometryNetwork
    from diff2i2p.weights import WeightsError, load_weights, shipped_weights

    weights = weights or next(iter(shipped_weights()), None)
    if weights is None:
        raise WeightsError("no weights ship with this installation: give --weights")
    network, digest = load_weights(weights, config := read_config(settings))
    site = CompiledMap.open(map_file) if map_file else None
    if site:
        site.require_weights(digest)
    reads_geometry = isinstance(network, GeometryNetwork)
    if reads_geometry and views > 1:
        raise WeightsError(f"{weights} match one view at a time: leave --views away")
    width = (config if reads_geometry else network.config).image.width
    size = height or round(width * 3 / 4), width
    with notes.status("exporting"):
        if reads_geometry:
            made = _geometry_graphs(network, onnx, size, site)
        else:
            made = _point_graphs(network, onnx, size, views, site)
    if as_json:
        return print(json.dumps(made | {"weights_sha256": digest}))
    print("\n".join(f"{name}: {value}" for name, value in made.items()))


def _geometry_graphs(network, onnx: Path, size: tuple[int, int], site) -> dict:
    """Write the graphs of the network that reads geometry: where they are, and their sizes."""
    from diff2i2p.matchers.geometry import most_cells
    from diff2i2p.network import cell_export
    from diff2i2p.network.geometry_network import cell_middles

    cells = len(cell_middles(*size))
    drawn = max(cells, most_cells(site)) if site else cells
    geometry, matching = _beside(onnx, "geometry"), _beside(onnx, "matching")
    cell_export.export_photo(network, *size, onnx)
    cell_export.export_geometry(network, *size, geometry)
    cell_export.export_cell_matching(network, *size, drawn, matching)
    paths = {"photo": str(onnx), "geometry": str(geometry), "matching": str(matching)}
    return paths | {"height": size[0], "width": size[1], "drawn": drawn}


def _point_graphs(network, onnx: Path, size: tuple[int, int], views: int, site) -> dict:
    """Write the graphs of the paper's network: where they are, and their sizes."""
    from diff2i2p.matchers.point_network import graph_sizes
    from diff2i2p.network import onnx_export

    config = network.config
    onnx_export.require_exportable(config)
    nodes, members = config.retrieval.nodes, MEMBERS
    if site:
        _, nodes, members = graph_sizes(site, config)
    shapes, matching = onnx_export.Shapes(*size, views, nodes, members), _beside(onnx, "matching")
    onnx_export.export_image_side(network, config.matching, shapes, onnx)
    onnx_export.export_matching(network, config.matching, shapes, matching)
    return {"image": str(onnx), "matching": str(matching)} | vars(shapes)


def _beside(onnx: Path, part: str) -> Path:
    return onnx.with_name(f"{onnx.stem}.{part}.onnx")
