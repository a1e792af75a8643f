# SPDX-License-Identifier: Apache-2.0
"""Pictures of an evaluation. Lines and text suit light and dark pages; backgrounds are transparent."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from diff2i2p.evaluation.metrics import Record
from diff2i2p.render import render_cloud

TRUTH, ESTIMATE, GOOD, BAD, INK = "#3f83f8", "#f08c00", "#2fa84f", "#e5484d", "#8a8f98"
LINES = (ESTIMATE, "#9b6ad6", "#12a5a5", TRUTH)  # one per run
GREEN, RED = (80, 220, 110), (235, 80, 80)
LINKS, GAP = 40, 8  # match lines drawn, pixels between frame and map


@contextmanager
def _axes(width: float, height: float, columns: int = 1) -> Iterator[tuple]:
    style = {f"{part}.color": INK for part in ("text", "xtick", "ytick", "grid")} | {"axes.labelcolor": INK, "axes.edgecolor": INK}
    more = {"font.size": 9, "grid.alpha": 0.25, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
    with matplotlib.rc_context(style | more):
        figure = Figure((width, height), dpi=160, layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots(1, columns, squeeze=False)[0]
        for one in axes:
            one.patch.set_alpha(0)
            one.grid(True)
        yield (figure, *axes)


def top_view(records: list[Record], points: np.ndarray, up: np.ndarray, spacing: float) -> Figure:
    """The map from above with the true path, the estimated poses with their headings, and where there was no answer."""
    plane = _plane(up)
    truth = np.array([record.frame.T_map_camera for record in records])
    path = truth[:, :3, 3] @ plane.T
    with _axes(7, 6) as (figure, axes):
        _draw_floor_plan(axes, points, up, plane, cut=np.median(truth[:, :3, 3] @ up) + 0.3, cell=1.2 * spacing)
        view = axes.get_xlim(), axes.get_ylim()
        axes.plot(*path.T, color=TRUTH, lw=2, label="true path", zorder=3)
        found = [(i, record) for i, record in enumerate(records) if record.answer.ok]
        for kind, colour, label in ((False, ESTIMATE, "estimated"), (True, BAD, "estimated, false")):
            chosen = [(i, record.answer.T_map_camera) for i, record in found if record.false_accept == kind]
            _draw_poses(axes, chosen, path, plane, colour, label)
        silent = path[[i for i, record in enumerate(records) if not record.answer.ok]]
        axes.plot(*silent.T, "o", ms=5, mfc="none", mec=BAD, zorder=4, label=f"no answer ({len(silent)})") if len(silent) else None
        axes.set(aspect="equal", xlabel="m", ylabel="m", xlim=_around(view[0], path[:, 0]), ylim=_around(view[1], path[:, 1]))
        axes.grid(False)
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.08), ncols=4)
    return figure


def _around(limits: tuple[float, float], places: np.ndarray) -> tuple[float, float]:
    """Limits that hold the map and the true path; far-off poses may leave the picture."""
    return min(limits[0], places.min() - 0.3), max(limits[1], places.max() + 0.3)


def _plane(up: np.ndarray) -> np.ndarray:
    """(2, 3) right and forward axes of a view from above; the map's x, or else y, points right."""
    helper = np.eye(3)[0] if abs(up[0]) < 0.7 else np.eye(3)[1]
    right = helper - (helper @ up) * up
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(up, right)])


def _draw_floor_plan(axes: Axes, points: np.ndarray, up: np.ndarray, plane: np.ndarray, cut: float, cell: float) -> None:
    """How many points lie over each spot, up to just above the cameras: walls come out dark, ceilings stay away."""
    flat = points[points @ up < cut] @ plane.T
    flat = flat if len(flat) else points @ plane.T
    low, high = np.percentile(flat, 0.5, axis=0) - 0.5, np.percentile(flat, 99.5, axis=0) + 0.5
    cell = max(cell, (high - low).max() / 300)
    counts, _, _ = np.histogram2d(*flat.T, [np.arange(a, b + cell, cell) for a, b in zip(low, high, strict=True)])
    shade = np.zeros((*counts.T.shape, 4))
    shade[..., :3] = 0.5
    shade[..., 3] = np.clip(np.log1p(counts.T) / np.log1p(max(np.percentile(counts[counts > 0], 99), 1)), 0, 1) * 0.8
    axes.imshow(
        shade, origin="lower", extent=(low[0], low[0] + cell * len(counts), low[1], low[1] + cell * len(counts.T)), interpolation="bilinear"
    )


def _draw_poses(axes: Axes, poses: list, path: np.ndarray, plane: np.ndarray, colour: str, label: str) -> None:
    if not poses:
        return
    places = np.array([T[:3, 3] for _, T in poses]) @ plane.T
    headings = np.array([T[:3, 2] for _, T in poses]) @ plane.T
    for (i, _), place in zip(poses, places, strict=True):
        axes.plot(*np.stack([path[i], place]).T, color=colour, lw=0.6)
    length = 0.03 * np.ptp(axes.get_xlim())
    axes.quiver(
        *places.T,
        *(headings * length).T,
        color=colour,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.002,
        headwidth=0,
        headlength=0,
        headaxislength=0,
    )
    axes.plot(*places.T, ".", ms=4, color=colour, label=f"{label} ({len(poses)})")


def error_curves(runs: dict[str, list[Record]]) -> Figure:
    """Share of all frames whose error is below a bound; unanswered frames never are."""
    with _axes(8, 2.8, 2) as (figure, *both):
        for axes, key, limit, bounds, unit in zip(
            both, ("translation_m", "rotation_deg"), (0.6, 10), ((0.05, 0.25, 0.5), (2, 5)), ("m", "deg"), strict=True
        ):
            for (name, records), colour in zip(runs.items(), LINES * len(runs), strict=False):
                errors = np.sort([getattr(record, key) for record in records])
                within = errors[errors < limit]
                shares = np.arange(len(within) + 1) / len(errors)
                axes.step([0, *within, limit], [*shares, shares[-1]], where="post", color=colour, label=name)
            for bound in bounds:
                axes.axvline(bound, color=INK, lw=0.8, ls=":")
            axes.set(xlim=(0, limit), ylim=(0, 1.02), xlabel=f"error [{unit}]", ylabel="share of frames")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
        both[0].legend(loc="lower right")
    return figure


def errors_by_frame(records: list[Record]) -> Figure:
    """Errors along the sequence, on a logarithmic scale; red bars mark frames without an answer."""
    index = np.array([record.frame.index for record in records])
    with _axes(8, 2.8, 2) as (figure, *both):
        for axes, key, bound, unit in zip(both, ("translation_m", "rotation_deg"), (0.25, 5), ("m", "deg"), strict=True):
            errors = np.array([getattr(record, key) for record in records])
            answered = np.isfinite(errors)
            axes.vlines(index[~answered], 0, 1, transform=axes.get_xaxis_transform(), color=BAD, lw=1, alpha=0.35)
            axes.plot(index[answered], np.maximum(errors[answered], 1e-4), ".", ms=4, color=ESTIMATE)
            axes.axhline(bound, color=INK, lw=0.8, ls=":")
            axes.set(yscale="log", xlabel="frame", ylabel=f"error [{unit}]")
            low, high = axes.get_ylim()
            axes.set_ylim(min(low, bound / 30), max(high, bound * 4))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return figure


def latencies(latency: dict) -> Figure:
    """Median time of each stage, with a line to the 95th percentile."""
    rows = {"whole frame": latency} | latency["stages"]
    with _axes(6, 0.6 + 0.27 * len(rows)) as (figure, axes):
        medians = [row["p50"] for row in rows.values()]
        axes.barh(list(rows), medians, color=[INK] + [TRUTH] * (len(rows) - 1), height=0.6)
        axes.hlines(range(len(rows)), medians, [row["p95"] for row in rows.values()], color=ESTIMATE, lw=1.5)
        axes.invert_yaxis()
        axes.set(xlabel="ms per frame: bar = median, line = up to 95th percentile")
        axes.grid(False, axis="y")
    return figure


def confidences(records: list[Record]) -> Figure:
    """How sure the answers were, and how often they were right when they were that sure."""
    edges = np.linspace(0, 1, 11)
    sure = np.array([record.answer.confidence for record in records])
    right = np.array([record.within(0.25, 5) for record in records])
    answered = np.array([record.answer.ok for record in records])
    with _axes(8, 2.8, 2) as (figure, left, reliability):
        groups = [sure[answered & right], sure[answered & ~right], sure[~answered]]
        left.hist(groups, edges, stacked=True, color=[GOOD, BAD, INK], label=["right", "wrong", "no answer"])
        left.set(xlabel="confidence", ylabel="frames")
        left.legend(loc="best")
        reliability.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=":")
        place = np.digitize(sure[answered], edges[1:-1])
        filled = np.unique(place)
        shares = [right[answered][place == bin].mean() for bin in filled]
        weights = np.array([(place == bin).sum() for bin in filled])
        means = [sure[answered][place == bin].mean() for bin in filled]
        reliability.plot(means, shares, color=ESTIMATE, lw=1)
        reliability.scatter(means, shares, 15 + 85 * weights / max(weights.max(initial=1), 1), color=ESTIMATE)
        reliability.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.05), xlabel="confidence", ylabel="share within 25 cm, 5 deg")
    return figure


def matches_picture(record: Record, points: np.ndarray, grey: np.ndarray | None, spacing: float) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the rectified frame and the map as the found (or else the true) pose sees it, matches between them."""
    answer, camera = record.answer, record.answer.view.camera
    T = answer.T_map_camera if answer.ok else record.frame.T_map_camera
    scale = max(1, round(480 / camera.width))
    large = camera.resized(camera.width * scale)
    frame = cv2.resize(answer.view.grey, (large.width, large.height), interpolation=cv2.INTER_CUBIC)
    image, rendered = (cv2.cvtColor(half, cv2.COLOR_GRAY2RGB) for half in (frame, _map_seen(points, grey, large, T, spacing)))
    canvas = np.hstack([image, np.full((len(image), GAP, 3), 128, np.uint8), rendered])
    if answer.correspondences is None:
        return canvas
    pixels, ahead, places = _match_places(answer.correspondences, T, camera)
    inliers = np.zeros(len(pixels), bool) if answer.inliers is None else np.asarray(answer.inliers, bool)
    for chosen, colour in ((~inliers, RED), (inliers, GREEN)):
        _draw_matches(canvas, pixels[chosen], places[chosen], ahead[chosen], colour, scale, image.shape[1] + GAP, links=colour == GREEN)
    return canvas


def _match_places(matches, T: np.ndarray, camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (M, 2) of the matches, whether their points are in the rendered view (M,), and where (M, 2)."""
    local = (np.asarray(matches.points, float) - T[:3, 3]) @ T[:3, :3]
    ahead = local[:, 2] > 0.05
    places = np.zeros((len(local), 2))
    places[ahead] = camera.project(local[ahead])
    inside = ahead & (places >= 0).all(1) & (places < (camera.width, camera.height)).all(1)
    return np.asarray(matches.pixels, float), inside, places


def _draw_matches(canvas, pixels, places, inside, colour, scale: int, shift: int, links: bool) -> None:
    def at(pixel) -> tuple[int, int]:
        return int((pixel[0] + 0.5) * scale), int((pixel[1] + 0.5) * scale)

    if links:
        lines = canvas.copy()
        shown = np.flatnonzero(inside)
        for i in shown[:: max(len(shown) // LINKS, 1)]:
            (x, y), end = at(places[i]), at(pixels[i])
            cv2.line(lines, end, (x + shift, y), colour, 1, cv2.LINE_AA)
        cv2.addWeighted(lines, 0.5, canvas, 0.5, 0, canvas)
    for pixel, place, seen in zip(pixels, places, inside, strict=True):
        cv2.circle(canvas, at(pixel), 3 if links else 2, colour, -1, cv2.LINE_AA)
        if seen and links:
            x, y = at(place)
            cv2.circle(canvas, (x + shift, y), 3, colour, -1, cv2.LINE_AA)


def _map_seen(points: np.ndarray, grey: np.ndarray | None, camera, T: np.ndarray, spacing: float) -> np.ndarray:
    """(H, W) uint8: the map's shades, or nearness where it has none."""
    shades = np.full(len(points), 255, np.uint8) if grey is None else (np.clip(grey, 0, 1) * 235 + 20).astype(np.uint8)
    rendering = render_cloud(points, shades, camera, T, spacing * 1.3, max_splat=61)
    if grey is not None:
        return cv2.GaussianBlur(rendering.image, (0, 0), camera.width / 250)
    depth = rendering.depth
    far = np.percentile(depth[depth > 0], 98) if (depth > 0).any() else 1.0
    return np.where(depth > 0, 235 - 190 * np.clip(depth / far, 0, 1), 0).astype(np.uint8)
