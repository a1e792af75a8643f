# SPDX-License-Identifier: Apache-2.0
"""diff2i2p-train: train generic weights, adapt them to a site; train the network of the paper."""

from pathlib import Path
from typing import Annotated

import typer

from diff2i2p.cli.common import (
    CameraFile,
    ImageTopic,
    InfoTopic,
    Truth,
    TruthFrame,
    Unit,
    bag_choice,
    tell_sources,
)

OUT = "Weights file to write; OUT.ckpt beside it lets training go on after an interruption."

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _commands():
    """Train the diff2i2p network."""


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="Training configuration, as in training/configs.")],
    out: Annotated[Path, typer.Option(help=OUT)],
    minutes: Annotated[
        float, typer.Option(min=0.001, help="Training time, unless the configuration sets epochs.")
    ] = 600,
    weights: Annotated[str | None, typer.Option(help="Weights to start from.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
):
    """Train the paper's network on the pairs of a benchmark, with all of its losses.

    Days of a GPU; `accelerate launch` takes several.
    """
    from diff2i2p_training.recipe import load_recipe
    from diff2i2p_training.train_pairs import train_pairs

    train_pairs(out, minutes, *load_recipe(config), weights, seed)


@app.command()
def pretrain(
    out: Annotated[Path, typer.Option(help=OUT)],
    minutes: Annotated[float, typer.Option(min=0.001, help="Training time.")] = 600,
    weights: Annotated[
        str | None,
        typer.Option(help="Weights to start from, such as generic; else those of XFeat."),
    ] = None,
    rgbd: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of RGB-D images (rgb/, depth/, intrinsics.json); repeat it."),
    ] = None,
    cloud: Annotated[
        Path | None, typer.Option(help="A real site's point cloud; needs --sequence.")
    ] = None,
    sequence: Annotated[
        Path | None, typer.Option(help="Posed images of that site: a folder, or a bag.")
    ] = None,
    stop: Annotated[int | None, typer.Option(help="Frame of them before which to stop.")] = None,
    truth: Truth = "",
    unit: Unit = None,
    pool: Annotated[
        Path | None, typer.Option(help="Folder of the pairs, OUT.pairs unless given.")
    ] = None,
    places: Annotated[int, typer.Option(min=8, help="Places kept there, 80 MB each.")] = 100,
    makers: Annotated[int, typer.Option(min=1, max=64, help="Processes that make places.")] = 1,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes that augment pairs.")] = 1,
    batch: Annotated[
        int, typer.Option(min=2, max=256, help="Pairs of a step; a GPU takes more.")
    ] = 8,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
):
    """Make weights that know no site, from endless synthetic places and real images."""
    from diff2i2p.cloud import read_cloud
    from diff2i2p.datasets.bag_sequence import BagChoice
    from diff2i2p.datasets.mapping_run import open_mapping_run
    from diff2i2p_training.pretrain import RealData, Work
    from diff2i2p_training.pretrain import pretrain as pretrain_generic

    _both(cloud, sequence)
    site = None
    if cloud:
        run = open_mapping_run(sequence, BagChoice(truth=truth, stop=stop))
        tell_sources(run)
        site = read_cloud(cloud, unit), run
    real = RealData(tuple(rgbd or ()), site)
    work = Work(batch, workers, makers, places)
    pretrain_generic(out, minutes, real, weights, pool, work, seed)


@app.command()
def adapt(
    cloud: Annotated[Path, typer.Option(help="The site's point cloud (.ply, .pcd, .las, .xyz).")],
    sequence: Annotated[
        Path, typer.Option(help="The mapping run's posed images: a folder, or a bag.")
    ],
    out: Annotated[Path, typer.Option(help=OUT)],
    start: Annotated[int | None, typer.Option(help="First frame used.")] = None,
    stop: Annotated[int | None, typer.Option(help="Frame before which to stop.")] = None,
    truth: Truth = "",
    truth_frame: TruthFrame = "",
    image_topic: ImageTopic = "",
    camera_info_topic: InfoTopic = "",
    camera: CameraFile = None,
    unit: Unit = None,
    minutes: Annotated[float, typer.Option(min=0.001, help="Training time.")] = 10,
    colour: Annotated[bool, typer.Option(help="Use the cloud's colour or intensity.")] = True,
    weights: Annotated[str, typer.Option(help="Weights to start from.")] = "generic",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
):
    """Fine-tune generic weights to one site: its cloud and the posed images of a mapping run."""
    import dataclasses

    from diff2i2p.cloud import read_cloud
    from diff2i2p.datasets.mapping_run import open_mapping_run
    from diff2i2p_training.adapt import adapt as adapt_site

    points = read_cloud(cloud, unit)
    if not colour:
        points = dataclasses.replace(points, colours=None, intensity=None)
    choice = bag_choice(
        image_topic, camera_info_topic, camera, truth, truth_frame, start=start, stop=stop
    )
    run = open_mapping_run(sequence, choice)
    tell_sources(run)
    adapt_site(points, run, out, minutes, weights, seed)


@app.command()
def prepare(
    download: Annotated[
        Path,
        typer.Argument(
            help="Unpacked download: 7-Scenes, RGB-D Scenes V2, or 3DMatch's packaging of either."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder of pairs to make, in the layout of 2D3D-MATR."),
    ],
    scenes: Annotated[str, typer.Option(help="Only these scenes, with commas between.")] = "",
):
    """Make fragments of 25 frames, and the pairs of image and fragment that overlap."""
    from rich.progress import track

    from diff2i2p_training.data.prepare import prepare as prepare_pairs

    counts = prepare_pairs(download, out, _names(scenes), lambda groups: track(groups, "scenes"))
    print(f"{out}: " + ", ".join(f"{count} pairs for {split}" for split, count in counts.items()))


@app.command()
def evaluate_pairs(
    root: Annotated[
        Path,
        typer.Argument(
            help="Folder of pairs, by 'diff2i2p-train prepare' or as 2D3D-MATR offers it."
        ),
    ],
    weights: Annotated[
        str,
        typer.Option(
            help="Weights file, or the name of shipped weights; their mode decides whether depth is used."
        ),
    ],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    min_overlap: Annotated[
        float, typer.Option(help="Leave out pairs below; 2D3D-MATR takes 0.5 for 7-Scenes.")
    ] = 0.0,
    scenes: Annotated[str, typer.Option(help="Only these scenes, with commas between.")] = "",
    limit: Annotated[
        int | None, typer.Option(help="About so many pairs, evenly taken from all.")
    ] = None,
    solver: Annotated[
        str, typer.Option(help="poselib, or opencv: the P3P RANSAC of the releases.")
    ] = "poselib",
    settings: Annotated[
        Path | None,
        typer.Option("--config", help="Training configuration that sets image size and matching."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
):
    """Inlier ratio, feature matching recall, registration recall and pose errors on the pairs of a benchmark."""
    import json

    from rich.progress import track

    from diff2i2p.config import Config
    from diff2i2p.weights import load_weights
    from diff2i2p_training.data.pairs import read_pairs
    from diff2i2p_training.evaluate_pairs import evaluate_pairs as evaluate
    from diff2i2p_training.evaluate_pairs import limited, report, tables
    from diff2i2p_training.recipe import load_recipe

    pairs = read_pairs(root, split, min_overlap, _names(scenes))
    pairs = limited(pairs, limit) if limit else pairs
    network = load_weights(weights, load_recipe(settings)[0] if settings else Config())[0]
    records = evaluate(
        network, pairs, solver, lambda rows: track(rows, "pairs", transient=True, disable=as_json)
    )
    result = report(network, pairs, records, str(weights), solver)
    if out:
        out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1) if as_json else tables(result))


def _both(cloud: Path | None, sequence: Path | None) -> None:
    if (cloud is None) != (sequence is None):
        raise ValueError(
            "a site is learnt from its cloud and its images:"
            " give both --cloud and --sequence, or neither"
        )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@app.command()
def prior(
    out: Annotated[
        Path,
        typer.Option(
            help="Pipeline folder to write; OUT.ckpt beside it lets training go on after an interruption."
        ),
    ],
    cloud: Annotated[
        Path | None,
        typer.Option(help="A site's point cloud, to learn from its images too; needs --sequence."),
    ] = None,
    sequence: Annotated[
        Path | None, typer.Option(help="That site's posed images: a folder, or a bag.")
    ] = None,
    start: Annotated[int | None, typer.Option(help="First frame used.")] = None,
    stop: Annotated[int | None, typer.Option(help="Frame before which to stop.")] = None,
    truth: Truth = "",
    unit: Unit = None,
    minutes: Annotated[float, typer.Option(min=0.001, help="Training time.")] = 25,
    width: Annotated[int, typer.Option(help="Pixels of its images, a multiple of 16.")] = 64,
    channels: Annotated[
        int, typer.Option(help="Size of the model: 16 for a CPU, 96 for a GPU; a multiple of 8.")
    ] = 32,
    batch: Annotated[int, typer.Option(help="Images of a step.")] = 16,
    workers: Annotated[
        int, typer.Option(help="Processes that make worlds; 0 makes them between steps.")
    ] = 1,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="PNG to write: depth, photo and imagined images of a world it never saw."
        ),
    ] = None,
    score: Annotated[
        bool,
        typer.Option(
            help="Say at the end whether it tells displaced poses of that world from true ones."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
):
    """Train the small depth-conditioned diffusion model that CSD may use in place of Stable Diffusion."""
    import json

    from diff2i2p.cloud import read_cloud
    from diff2i2p.datasets.bag_sequence import BagChoice
    from diff2i2p.datasets.mapping_run import open_mapping_run
    from diff2i2p_training.diffusion.prior_score import record_score
    from diff2i2p_training.diffusion.prior_views import site_views
    from diff2i2p_training.diffusion.train_prior import PriorShape, train_prior, unseen_sheet

    _both(cloud, sequence)
    site = None
    if cloud:
        run = open_mapping_run(sequence, BagChoice(truth=truth, start=start, stop=stop))
        site = site_views(read_cloud(cloud, unit), run, width)
    trained = train_prior(out, minutes, PriorShape(width, channels), site, batch, workers, seed)
    if sheet:
        unseen_sheet(trained, sheet)
    if score:
        print(json.dumps(record_score(trained, out)))


def main() -> None:
    """Run the command line; a problem of the user's input is one sentence and exit code 2."""
    import sys

    from diff2i2p.weights import WeightsError

    try:
        app()
    except (WeightsError, ValueError, OSError) as error:
        print(f"diff2i2p-train: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
