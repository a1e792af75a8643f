# SPDX-License-Identifier: Apache-2.0
"""Figures of an evaluation. Lines and text suit light and dark pages; backgrounds are transparent."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from diff2i2p.evaluation.metrics import Record

TRUTH, ESTIMATE, GOOD, BAD, INK = "#3f83f8", "#f08c00", "#2fa84f", "#e5484d", "#8a8f98"
MARGIN = 4.0  # defined: metres of the map shown around the path at least
LINES = (ESTIMATE, "#9b6ad6", "#12a5a5", TRUTH)  # one per run
Runs = dict[str, list[Record]]  # by the name of the matcher; the first is shown in detail


@contextmanager
def _axes(width: float, height: float, columns: int = 1, rows: int = 1) -> Iterator[tuple]:
    """A figure and its axes, row by row; rows share their x axis."""
    style = {f"{part}.color": INK for part in ("text", "xtick", "ytick", "grid")} | {
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
    }
    more = {
        "font.size": 9,
        "grid.alpha": 0.25,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with matplotlib.rc_context(style | more):
        figure = Figure((width, height), dpi=160, layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots(
            rows, columns, squeeze=False, sharex="col" if rows > 1 else False
        ).ravel()
        for one in axes:
            one.patch.set_alpha(0)
            one.grid(True)
        yield (figure, *axes)


def _coloured(runs: Runs) -> Iterator[tuple[str, list[Record], str]]:
    for place, (name, records) in enumerate(runs.items()):
        yield name, records, LINES[place % len(LINES)]


def top_view(records: list[Record], points: np.ndarray, up: np.ndarray, spacing: float) -> Figure:
    """The map from above with the true path, the estimated poses with their headings, and where there was no answer."""
    plane = _plane(up)
    found = [record for record in records if record.answer.ok]
    truth = np.reshape(
        [record.frame.T_map_camera for record in records if record.judged], (-1, 4, 4)
    )
    seen = (
        truth
        if len(truth)
        else np.reshape([record.answer.T_map_camera for record in found], (-1, 4, 4))
    )
    path = seen[:, :3, 3] @ plane.T
    with _axes(7.5, 6) as (figure, axes):
        height = np.median(seen[:, :3, 3] @ up) if len(seen) else np.median(points @ up)
        _draw_floor_plan(axes, points, up, plane, cut=height + 0.3, cell=1.2 * spacing)
        view = axes.get_xlim(), axes.get_ylim()
        if len(truth):
            axes.plot(*path.T, color=TRUTH, lw=2, label="true path", zorder=3)
        for false, colour, label in (
            (False, ESTIMATE, "estimated"),
            (True, BAD, "estimated, false"),
        ):
            _draw_poses(
                axes,
                [record for record in found if record.false_accept == false],
                plane,
                colour,
                label,
            )
        silent = (
            np.reshape(
                [r.frame.T_map_camera[:3, 3] for r in records if r.judged and not r.answer.ok],
                (-1, 3),
            )
            @ plane.T
        )
        axes.plot(
            *silent.T, "o", ms=5, mfc="none", mec=BAD, zorder=4, label=f"no answer ({len(silent)})"
        ) if len(silent) else None
        limits = [_around(limit, path[:, axis]) for axis, limit in enumerate(view)]
        axes.set(aspect="equal", xlabel="m", ylabel="m", xlim=limits[0], ylim=limits[1])
        axes.grid(False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4)
    return figure


def _around(limits: tuple[float, float], places: np.ndarray) -> tuple[float, float]:
    """Limits that hold the path and what the map has near it; far-off poses may leave the picture."""
    low, high = places.min(initial=np.inf), places.max(initial=-np.inf)
    if low > high:
        return limits
    near = max(MARGIN, high - low)
    return min(max(limits[0], low - near), low - 0.3), max(min(limits[1], high + near), high + 0.3)


def _plane(up: np.ndarray) -> np.ndarray:
    """(2, 3) right and forward axes of a view from above; the map's x, or else y, points right."""
    helper = np.eye(3)[0] if abs(up[0]) < 0.7 else np.eye(3)[1]
    right = helper - (helper @ up) * up
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(up, right)])


def _draw_floor_plan(
    axes: Axes, points: np.ndarray, up: np.ndarray, plane: np.ndarray, cut: float, cell: float
) -> None:
    """How many points lie over each spot, up to just above the cameras: walls come out dark, ceilings stay away."""
    flat = points[points @ up < cut] @ plane.T
    flat = flat if len(flat) else points @ plane.T
    low, high = np.percentile(flat, 0.5, axis=0) - 0.5, np.percentile(flat, 99.5, axis=0) + 0.5
    cell = max(cell, (high - low).max() / 300)
    counts, _, _ = np.histogram2d(
        *flat.T, [np.arange(a, b + cell, cell) for a, b in zip(low, high, strict=True)]
    )
    shade = np.zeros((*counts.T.shape, 4))
    shade[..., :3] = 0.5
    shade[..., 3] = (
        np.clip(np.log1p(counts.T) / np.log1p(max(np.percentile(counts[counts > 0], 99), 1)), 0, 1)
        * 0.8
    )
    axes.imshow(
        shade,
        origin="lower",
        extent=(low[0], low[0] + cell * len(counts), low[1], low[1] + cell * len(counts.T)),
        interpolation="bilinear",
    )


def _draw_poses(
    axes: Axes, records: list[Record], plane: np.ndarray, colour: str, label: str
) -> None:
    """Dots with headings, and a thin line from each to its truth."""
    if not records:
        return
    poses = np.array([record.answer.T_map_camera for record in records])
    places, headings = poses[:, :3, 3] @ plane.T, poses[:, :3, 2] @ plane.T
    for record, place in zip(records, places, strict=True):
        if record.judged:
            axes.plot(
                *np.stack([plane @ record.frame.T_map_camera[:3, 3], place]).T, color=colour, lw=0.6
            )
    ticks = headings * 0.03 * np.ptp(axes.get_xlim())
    axes.quiver(
        *places.T, *ticks.T, color=colour, angles="xy", scale_units="xy", scale=1, width=0.002, headwidth=0, headlength=0,
        headaxislength=0,
    )  # fmt: skip
    axes.plot(*places.T, ".", ms=4, color=colour, label=f"{label} ({len(poses)})")


def error_curves(runs: Runs) -> Figure:
    """Share of the frames with truth whose error is below a bound; unanswered frames never are."""
    with _axes(8, 2.8, columns=2) as (figure, *both):
        for axes, key, limit, bounds, unit in zip(
            both,
            ("translation_m", "rotation_deg"),
            (0.6, 10),
            ((0.05, 0.25, 0.5), (2, 5)),
            ("m", "deg"),
            strict=True,
        ):
            for name, records, colour in _coloured(runs):
                errors = np.sort([getattr(record, key) for record in records if record.judged])
                within = errors[errors < limit]
                shares = np.arange(len(within) + 1) / len(errors)
                axes.step(
                    [0, *within, limit],
                    [*shares, shares[-1]],
                    where="post",
                    color=colour,
                    label=name,
                )
            for bound in bounds:
                axes.axvline(bound, color=INK, lw=0.8, ls=":")
            axes.set(
                xlim=(0, limit), ylim=(0, 1.02), xlabel=f"error [{unit}]", ylabel="share of frames"
            )
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
        both[0].legend(loc="lower right")
    return figure


def timeline(runs: Runs) -> Figure:
    """Errors, confidence and latency along the drive. Bars: where the first run has no answer, or a false one."""
    main = next(iter(runs.values()))
    rows = (
        [("translation_m", "error [m]", 0.25), ("rotation_deg", "error [deg]", 5)]
        if any(r.judged for r in main)
        else []
    ) + [
        ("confidence", "confidence", None),
        ("latency_ms", "latency [ms]", None),
    ]
    start = main[0].frame.stamp
    with _axes(8, 1.35 * len(rows) + 0.5, rows=len(rows)) as (figure, *axes):
        for one, (key, label, bound) in zip(axes, rows, strict=True):
            _draw_moments(one, main, start)
            for name, records, colour in _coloured(runs):
                shown = [
                    r
                    for r in records
                    if not r.problem and (r.answer.ok or key in ("confidence", "latency_ms"))
                ]
                values = np.array([_value(record, key) for record in shown])
                one.plot(
                    [r.frame.stamp - start for r in shown],
                    values,
                    ".",
                    ms=4,
                    color=colour,
                    label=name,
                    alpha=0.8,
                )
            one.set_ylabel(label)
            if bound:
                _error_scale(one, bound)
        axes[-2].set_ylim(-0.03, 1.03)
        axes[-1].set_ylim(bottom=0)
        axes[-1].set_xlabel("seconds since the first frame")
        if len(runs) > 1:
            axes[0].legend(
                loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(runs), markerscale=2
            )
    return figure


def _value(record: Record, key: str) -> float:
    return (
        record.answer.confidence if key == "confidence" else max(getattr(record, key), 1e-4)
    )  # logarithms want it positive


def _draw_moments(axes: Axes, records: list[Record], start: float) -> None:
    for colour, chosen in ((INK, lambda r: not r.answer.ok), (BAD, lambda r: r.false_accept)):
        stamps = [record.frame.stamp - start for record in records if chosen(record)]
        axes.vlines(
            stamps, 0, 1, transform=axes.get_xaxis_transform(), color=colour, lw=1.5, alpha=0.3
        )


def _error_scale(axes: Axes, bound: float) -> None:
    """Logarithmic, with the bound of recall."""
    axes.set_yscale("log")
    axes.axhline(bound, color=INK, lw=0.8, ls=":")
    low, high = axes.get_ylim()
    axes.set_ylim(max(min(low, bound / 30), bound / 3000), max(high, bound * 4))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def latencies(runs: Runs, stages: dict[str, dict]) -> Figure:
    """Left: the stages of the first run, medians with a line to the 95th percentile. Right: whole frames of every run."""
    with _axes(8, max(2.4, 0.8 + 0.27 * len(stages)), columns=2) as (figure, left, right):
        medians = [row["p50"] for row in stages.values()]
        left.barh(list(stages), medians, color=TRUTH, height=0.6)
        left.hlines(
            range(len(stages)),
            medians,
            [row["p95"] for row in stages.values()],
            color=ESTIMATE,
            lw=1.5,
        )
        left.invert_yaxis()
        left.set(xlabel="ms per stage")
        left.grid(False, axis="y")
        for name, records, colour in _coloured(runs):
            times = np.sort([record.latency_ms for record in records if not record.problem])
            right.step(
                [0, *times],
                np.arange(len(times) + 1) / len(times),
                where="post",
                color=colour,
                label=name,
            )
        right.set(xlabel="ms per frame", ylabel="share of frames", ylim=(0, 1.02), xlim=(0, None))
        right.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
        right.legend(loc="lower right")
    return figure


def confidences(runs: Runs) -> Figure:
    """Left: how sure the first run was, of right, wrong and no answers. Right: how often the runs were right when that sure."""
    edges = np.linspace(0, 1, 11)
    main = next(iter(runs.values()))
    judged = any(record.judged for record in main)
    with _axes(8, 2.8, columns=2 if judged else 1) as (figure, left, *reliability):
        kinds = {
            "right": (GOOD, lambda r: r.answer.ok and r.within(0.25, 5)),
            "wrong": (BAD, lambda r: r.answer.ok and not r.within(0.25, 5)),
        }
        kinds = kinds if judged else {"answered": (ESTIMATE, lambda r: r.answer.ok)}
        kinds = kinds | {"no answer": (INK, lambda r: not r.answer.ok)}
        groups = [[r.answer.confidence for r in main if chosen(r)] for _, chosen in kinds.values()]
        left.hist(
            groups,
            edges,
            stacked=True,
            color=[colour for colour, _ in kinds.values()],
            label=list(kinds),
        )
        left.set(xlabel="confidence", ylabel="frames")
        left.legend(loc="best")
        for axes in reliability:
            axes.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=":")
            for name, records, colour in _coloured(runs):
                _draw_reliability(
                    axes, [r for r in records if r.judged and r.answer.ok], edges, colour, name
                )
            axes.set(
                xlim=(-0.02, 1.02),
                ylim=(-0.03, 1.05),
                xlabel="confidence",
                ylabel="share within 25 cm, 5 deg",
            )
            axes.legend(loc="lower right")
    return figure


def _draw_reliability(
    axes: Axes, records: list[Record], edges: np.ndarray, colour: str, name: str
) -> None:
    """A dot per bin of confidence, the larger the more frames are in it."""
    sure, right = (
        np.array([(r.answer.confidence, r.within(0.25, 5)) for r in records]).reshape(-1, 2).T
    )
    place = np.digitize(sure, edges[1:-1])
    filled = np.unique(place)
    weights = np.array([(place == bin).sum() for bin in filled])
    means, shares = ([values[place == bin].mean() for bin in filled] for values in (sure, right))
    axes.plot(means, shares, color=colour, lw=1, label=name)
    axes.scatter(
        means, shares, 15 + 85 * weights / max(weights.max(initial=1), 1), color=colour, alpha=0.8
    )
