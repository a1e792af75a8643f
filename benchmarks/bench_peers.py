# SPDX-License-Identifier: Apache-2.0
"""The network on torch and on onnxruntime, and the classical peer, on the same frames, one after the other in one process: recall and time.

The demo office with the weights that ship, another day than it was mapped; lost, each frame on its own, and tracked, as the node does.
"""

from publish import OUT, median, percent, publish

from diff2i2p.cloud import read_cloud
from diff2i2p.config import Config
from diff2i2p.datasets.sequences import read_sequence
from diff2i2p.evaluation.metrics import summarize
from diff2i2p.evaluation.run import Tracking, localize_all
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.keyframes import photographs_of
from diff2i2p.parameters import override
from diff2i2p.weights import GENERIC
from diff2i2p_sim.world import World
from diff2i2p_sim.write import write_world

FOLDER, SEED = OUT / "peers", 0
MAPPING, FRAMES = 240, 100  # images of the mapping run, and of the drive
PEERS = (("network", "torch"), ("network", "onnxruntime"), ("appearance", "-"), ("both", "torch"))
HEADER = [
    "matcher",
    "runtime",
    "camera",
    "frames",
    "answered",
    "25cm/2deg",
    "5cm/5deg",
    "false accepts",
    "median",
    "ms p50",
    "ms p95",
]


def make_site() -> None:
    """The office, its drive, and its map with the photographs of the mapping run."""
    if not (FOLDER / "map.i2pmap").exists():
        write_world(World.office(SEED), FOLDER, SEED, mapping_frames=MAPPING, drive_frames=FRAMES)
        photographs = photographs_of(read_sequence(FOLDER / "mapping"))
        compile_map(
            read_cloud(FOLDER / "cloud.ply"),
            FOLDER / "map.i2pmap",
            GENERIC,
            photographs=photographs,
        )


def evaluate(matcher: str, runtime: str) -> list[list]:
    """A row for a camera that is lost in every frame, and one for a camera that is tracked."""
    config = override(
        Config(), {"matcher": matcher} | ({} if runtime == "-" else {"runtime": runtime})
    )
    localizer = Localizer.open(
        FOLDER / "map.i2pmap", None if matcher == "appearance" else GENERIC, config
    )
    drive, rows = read_sequence(FOLDER / "drive"), []
    for camera, tracking in (("lost", None), ("tracked", Tracking(localizer))):
        m = summarize(
            localize_all(localizer, drive, tracking=tracking), matcher, True, GENERIC, "map.i2pmap"
        )
        recall = [percent(m["recall"][key]) for key in ("25cm_2deg", "5cm_5deg")]
        times = m["latency_ms"]["p50"], m["latency_ms"]["p95"]
        rows.append(
            [
                matcher,
                runtime,
                camera,
                m["frames"],
                m["answered"],
                *recall,
                m["false_accepts"],
                median(m),
                *times,
            ]
        )
        print(*rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    make_site()
    publish(
        "peers",
        "python benchmarks/bench_peers.py",
        HEADER,
        [row for peer in PEERS for row in evaluate(*peer)],
    )
