# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p export`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from diff2i2p.cli.common import Json, Settings, app, notes, read_config

# Fine points of one node, where no map says how many there are; derived: a node is 8 times as wide as
# their spacing (4 levels that double it), so that a surface through it has 64 of them; four surfaces.
MEMBERS = 256


@app.command()
def export(
    onnx: Annotated[Path, typer.Option(help="Graph of the image side, NAME.onnx; beside it NAME.matching.onnx fuses and matches.")],
    weights: Annotated[str | None, typer.Option(help="Weights file, or the name of shipped weights; without, the first shipped.")] = None,
    map_file: Annotated[Path | None, typer.Option("--map", help="Compiled map that decides how large the matching graph is.")] = None,
    views: Annotated[int, typer.Option(help="Candidate views matched at once: 1 in tracking, retrieval.candidates when lost.", min=1)] = 1,
    height: Annotated[int | None, typer.Option(help="Height of the rectified image; without, 3/4 of image.width.", min=16)] = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Write the network as two ONNX graphs of fixed shapes, for TensorRT or any other runtime. Runtime onnxruntime makes its own."""
    from diff2i2p.mapping.compiled_map import CompiledMap
    from diff2i2p.matchers.point_network import graph_sizes
    from diff2i2p.network.onnx_export import Shapes, export_image_side, export_matching, require_exportable
    from diff2i2p.weights import WeightsError, load_weights, shipped_weights

    weights = weights or next(iter(shipped_weights()), None)
    if weights is None:
        raise WeightsError("no weights ship with this installation: give --weights")
    network, digest = load_weights(weights, read_config(settings))
    require_exportable(network.config)
    nodes, members = network.config.retrieval.nodes, MEMBERS
    if map_file:
        site = CompiledMap.open(map_file)
        site.require_weights(digest)
        _, nodes, members = graph_sizes(site, network.config)
    shapes = Shapes(height or round(network.config.image.width * 3 / 4), network.config.image.width, views, nodes, members)
    matching = onnx.with_name(f"{onnx.stem}.matching.onnx")
    onnx.parent.mkdir(parents=True, exist_ok=True)
    with notes.status("exporting"):
        export_image_side(network, network.config.matching, shapes, onnx)
        export_matching(network, network.config.matching, shapes, matching)
    if as_json:
        return print(json.dumps({"image": str(onnx), "matching": str(matching), "weights_sha256": digest} | vars(shapes)))
    print(f"{onnx}: image {shapes.width}x{shapes.height}")
    print(f"{matching}: {views} candidate views of {nodes} nodes of up to {members} points")
