# SPDX-License-Identifier: Apache-2.0
"""Every default of the project, once: nested frozen dataclasses. ROS parameters, YAML files and the command line derive from them."""

from dataclasses import dataclass
from pathlib import Path

from diff2i2p.parameters import override, parameter, read_overrides


@dataclass(frozen=True)
class ImageConfig:
    width: int = parameter(
        320, "Width that every image is rectified to before anything looks at it.", "px", 64, 1280
    )
    max_fov: float = parameter(
        100.0, "Horizontal field of view kept when a wide lens is rectified.", "deg", 30, 150
    )


@dataclass(frozen=True)
class MapConfig:
    """The voxel pyramid that the paper's network reads, and the spacing of the map's points."""

    fine_voxel: float = parameter(
        0.08, "Spacing of the map points that pixels are matched to.", "m", 0.005, 2.0
    )
    levels: int = parameter(
        4,
        "Levels of the voxel pyramid; each doubles the spacing, the last one holds the coarse nodes.",
        "",
        2,
        6,
    )
    neighbours: int = parameter(12, "Neighbours that a point convolution looks at.", "", 4, 64)
    search_radius: float = parameter(
        0.0,
        "Reach of a point convolution in voxels of its level; 0 takes the nearest neighbours however far.",
        "",
        0,
        16,
    )


@dataclass(frozen=True)
class NetworkConfig:
    """Widths and strides of the paper's network, image to point cloud.

    The defaults make it small, for tests and experiments; PAPER below makes it the original. The
    network that reads drawn geometry has nothing to configure.
    """

    query_depth: bool = parameter(
        False, "Feed the query's depth to the network (mode rgbd); a plain camera has none."
    )
    contrast_window: int = parameter(
        65,
        "Window of the local contrast normalisation of the image; 0 only subtracts the mean.",
        "px",
        0,
        513,
    )
    image_channels: tuple[int, ...] = parameter(
        (32, 48, 96, 160), "Channels of the image stem and of each stage.", "", 1, 1024
    )
    image_strides: tuple[int, ...] = parameter(
        (2, 2, 2), "Stride of each image stage after the stem, which has stride 2.", "", 1, 4
    )
    thin_decoder: bool = parameter(
        True, "Decode at the width of the finer stage, at half the cost of the original."
    )
    fine_stride: int = parameter(4, "Pixels per fine image feature.", "px", 1, 16)
    fine_step: int = parameter(
        1,
        "Outside training only every n-th row and column of the fine features is computed.",
        "",
        1,
        8,
    )
    token_grid: tuple[int, ...] = parameter(
        (),
        "Rows and columns that the coarse image features are resized to; empty keeps them.",
        "",
        1,
        512,
    )
    patch_levels: int = parameter(1, "Levels of the image patch pyramid.", "", 1, 4)
    point_input: str = parameter(
        "grey", "What the point network is told of a point.", choices=("grey", "ones", "xyz")
    )
    point_width: int = parameter(
        24, "Channels of the first point convolution; every stage doubles them.", "", 4, 256
    )
    point_repeats: int = parameter(1, "Residual blocks per point stage.", "", 1, 4)
    point_norm: str = parameter(
        "point",
        "Group statistics over the channels of one point, or over the whole cloud.",
        choices=("point", "cloud"),
    )
    fine_dim: int = parameter(64, "Length of a fine descriptor.", "", 8, 512)
    token_dim: int = parameter(128, "Length of a coarse token.", "", 8, 1024)
    fusion_blocks: int = parameter(
        1,
        "Blocks of self-attention and cross-attention between image tokens and map nodes.",
        "",
        0,
        12,
    )
    fusion_heads: int = parameter(4, "Attention heads.", "", 1, 16)
    position_octaves: int = parameter(
        6, "Octaves of the Fourier embedding of token positions.", "", 1, 16
    )
    tuning: bool = parameter(
        True, "Deformable Correspondence Tuning: move every matched point by a learned offset."
    )
    tuning_extent: bool = parameter(
        False,
        "Offsets are shares of the extent of what the query sees, as released, not multiples of the map's spacing.",
    )


@dataclass(frozen=True)
class RetrievalConfig:
    """The part of the map that the paper's network looks at."""

    candidates: int = parameter(
        3, "Candidate views that are matched when the camera is lost.", "", 1, 32
    )
    nodes: int = parameter(
        192,
        "Map nodes of one candidate view at most; a map with fewer is one candidate.",
        "",
        32,
        16384,
    )


@dataclass(frozen=True)
class MatchingConfig:
    """How the paper's network makes matches of its features."""

    nodes_per_patch: int = parameter(3, "Map nodes each image patch is compared with.", "", 1, 64)
    patches_per_node: int = parameter(64, "Image patches each map node may serve.", "", 1, 4096)
    max_distance: float = parameter(
        2.0,
        "Distance of unit vectors up to which a patch and a node are compared; 2 is opposite.",
        "",
        0,
        2,
    )
    min_pairs: int = parameter(
        96,
        "Pairs of patch and node that are compared even where max_distance leaves fewer.",
        "",
        0,
        100000,
    )
    min_node_points: int = parameter(
        0, "Points below which a map node is not matched.", "", 0, 1000
    )
    node_points: int = parameter(
        4096, "Points of one map node compared at most, those nearest to it.", "", 1, 4096
    )
    partners: int = parameter(
        1,
        "Rank that pixel and point must have with each other inside a pair of patch and node.",
        "",
        1,
        16,
    )
    one_per_pixel: bool = parameter(
        True, "A pixel keeps only its best point, not one of every pair of patch and node it is in."
    )
    min_score: float = parameter(
        0.0, "Cosine similarity below which a match is dropped.", "", -1, 1
    )
    max_matches: int = parameter(
        1500, "Matches handed to the pose solver, best first.", "", 16, 100000
    )


@dataclass(frozen=True)
class AppearanceConfig:
    spacing: float = parameter(
        0.8, "Distance between the viewpoints that the map is rendered from.", "m", 0.1, 20
    )
    headings: int = parameter(10, "Headings rendered at each viewpoint.", "", 4, 64)
    features: int = parameter(800, "SIFT features kept per rendered view.", "", 50, 10000)


@dataclass(frozen=True)
class GeometryConfig:
    """The network that reads drawn geometry: what of it is kept of the map, and how an image asks."""

    spacing: float = parameter(
        0.6, "Distance between places that are considered to draw the map from.", "m", 0.1, 50
    )
    step: float = parameter(
        0.4,
        "Distance between the viewpoints that are drawn, in distances to what they see.",
        "",
        0.05,
        2,
    )
    places: int = parameter(160, "Viewpoints at most.", "", 1, 100000)
    headings: int = parameter(10, "Headings drawn at each viewpoint.", "", 4, 64)
    seen: float = parameter(0.4, "Share of a drawn view that must show the map.", "", 0, 1)
    features: int = parameter(300, "Cells kept of a drawn view, the most reliable.", "", 40, 1200)
    coarse_features: int = parameter(
        120, "Of those, cells that vote for their view when the camera is lost.", "", 10, 1200
    )
    coarse_cells: int = parameter(
        500, "Cells of the image, the most reliable, that views are ranked by.", "", 10, 10000
    )
    views: int = parameter(16, "Views, best first, that are matched in earnest.", "", 1, 200)
    redrawn: int = parameter(
        8,
        "Places, best first, at which the map is drawn and matched again until one convinces.",
        "",
        1,
        64,
    )
    settled: int = parameter(
        2, "Of those, places that are drawn again and again until one convinces.", "", 1, 16
    )
    rounds: int = parameter(
        3, "Times at most that a place is drawn again until its pose stays.", "", 0, 16
    )


@dataclass(frozen=True)
class PnpConfig:
    max_error: float = parameter(
        6.0,
        "Reprojection error up to which a match is an inlier, at the rectified width.",
        "px",
        0.5,
        100,
    )
    max_iterations: int = parameter(2000, "RANSAC iterations at most.", "", 10, 100000)
    min_inliers: int = parameter(12, "Inliers without which there is no pose.", "", 4, 10000)


@dataclass(frozen=True)
class VerifyConfig:
    min_confidence: float = parameter(
        0.65,
        "Probability of being within 0.25 m / 5 deg below which a pose is not published.",
        "",
        0,
        1,
    )


@dataclass(frozen=True)
class TrackConfig:
    max_speed: float = parameter(
        3.0, "Speed above which a tracked pose is not believed without odometry.", "m/s", 0.1, 100
    )
    max_turn_rate: float = parameter(
        3.0,
        "Turn rate above which a tracked pose is not believed without odometry.",
        "rad/s",
        0.1,
        100,
    )
    sure: float = parameter(
        0.9,
        "Confidence from which no second matcher is asked, nor, of a lost camera, other images.",
        "",
        0,
        0.999,
    )
    odometry_drift: float = parameter(
        0.2, "Share of the way, and of the turn, by which odometry may be wrong.", "", 0, 10
    )
    lost_after: int = parameter(
        3, "Consecutive unanswered images after which the whole map is searched again.", "", 1, 1000
    )


@dataclass(frozen=True)
class Config:
    matcher: str = parameter(
        "both", "Who finds correspondences.", choices=("network", "appearance", "both")
    )
    device: str = parameter("auto", "Where the network runs.", choices=("auto", "cpu", "cuda"))
    runtime: str = parameter(
        "torch",
        "What the network runs on; onnxruntime uses TensorRT where it is.",
        choices=("torch", "onnxruntime"),
    )
    threads: int = parameter(
        0,
        "Processor threads of the network; 0: one per core. Where other work keeps cores busy fewer are faster.",
        "",
        0,
        256,
    )
    half_precision: bool = parameter(False, "TensorRT may compute in half precision.")
    image: ImageConfig = ImageConfig()
    map: MapConfig = MapConfig()
    network: NetworkConfig = NetworkConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    matching: MatchingConfig = MatchingConfig()
    appearance: AppearanceConfig = AppearanceConfig()
    geometry: GeometryConfig = GeometryConfig()
    pnp: PnpConfig = PnpConfig()
    verify: VerifyConfig = VerifyConfig()
    track: TrackConfig = TrackConfig()


# Overrides that make the network the one of the paper, mode mono; cited: its released code, with the
# thresholds of its 7-Scenes experiment.
PAPER = {
    "image": {"width": 640},
    "map": {"fine_voxel": 0.025, "levels": 4, "neighbours": 40, "search_radius": 2.5},
    "network": {
        "contrast_window": 0, "image_channels": (128, 128, 256, 512), "image_strides": (1, 2, 2), "thin_decoder": False,
        "fine_stride": 1, "fine_step": 2, "token_grid": (24, 32), "patch_levels": 3, "point_input": "ones", "point_width": 64,
        "point_repeats": 2, "point_norm": "cloud", "fine_dim": 128, "token_dim": 256, "fusion_blocks": 3, "position_octaves": 10,
        "tuning_extent": True,
    },
    "retrieval": {"nodes": 16384},
    "matching": {
        "nodes_per_patch": 3, "patches_per_node": 3, "max_distance": 0.75, "min_node_points": 6, "node_points": 128,
        "one_per_pixel": False, "min_score": 0.5, "max_matches": 100000,
    },
}  # fmt: skip
# the same in mode rgbd: the released network is told the query's depth
PAPER_RGBD = PAPER | {"network": PAPER["network"] | {"query_depth": True, "point_input": "xyz"}}
# The other thresholds; cited: the same, of its RGB-D Scenes V2 experiment.
RGBD_SCENES_MATCHING = PAPER["matching"] | {
    "nodes_per_patch": 5,
    "patches_per_node": 5,
    "max_distance": 0.85,
    "partners": 2,
}


def load_config(path: Path | str, base: Config = Config()) -> Config:
    """Read a YAML file of overrides. Raises ConfigError naming the file."""
    return override(base, read_overrides(path))
