# SPDX-License-Identifier: Apache-2.0
"""`python tests/scenario/draw.py docs/simulation.png`: a drive in the simulation, from above.

The robot wakes up in the lab, drives out through the corridor on odometry that drifts, and is carried back into the lab.
"""

import os
import sys
import tempfile
from pathlib import Path

import cv2
import matplotlib

matplotlib.use("agg")
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import rclpy  # noqa: E402
from matplotlib.patches import Polygon  # noqa: E402
from simulated import Loop, Site  # noqa: E402

from diff2i2p.config import Config  # noqa: E402
from diff2i2p_sim.description import box_corners  # noqa: E402
from diff2i2p_sim.world import World  # noqa: E402

WORLDS = Path(__file__).parents[2] / "launch" / "worlds"
TRUTH, ODOMETRY, FOUND, SILENT, INK = "#3f83f8", "#f08c00", "#2fa84f", "#e5484d", "#8a8f98"
WAY = "3.2 4.2, 2.2 2.6, 2.9 1.0, 1.2 0.9, 2.4 1.0"  # out of the lab into the corridor
HOME = (3.2, 4.4, 2.6)  # x y yaw, where it is carried
ERROR = {"odometry.drift": 0.06, "odometry.turn_drift": 0.06}


class Drive:
    """A drive, image by image, in three parts; between the last two the robot is carried away."""

    def __init__(self, loop: Loop):
        self.loop, self.stamps, self.views, self.starts = loop, [], [], []
        self.believed: list[
            np.ndarray
        ] = []  # T_map_base by TF when the answer came, NaN before there is a map -> odom

    def go_on(self, images: int) -> None:
        """One more part."""
        self.starts.append(len(self.stamps))
        for number in range(images):
            self.stamps.append(self.loop.answers(1)[0]["stamp"])
            T_map_odom = self.loop.witness.T_map_odom
            self.believed.append(
                np.full((4, 4), np.nan) if T_map_odom is None else T_map_odom @ self.odometry[-1]
            )
            if number == 1:
                simulation = self.loop.sim.simulation
                self.views.append(simulation.shoot(simulation.robot.camera, "world", 1.8)[0])

    @property
    def truth(self) -> np.ndarray:
        """(F, 4, 4) T_map_base."""
        return np.array([self.loop.witness.truth[stamp] for stamp in self.stamps])

    @property
    def odometry(self) -> np.ndarray:
        """(F, 4, 4) T_odom_base."""
        return np.array([self.loop.witness.odometry[stamp] for stamp in self.stamps])


def main(out: Path) -> None:
    """Drive, then draw."""
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(Site(WORLDS, Path(folder), Config(matcher="appearance")))
        loop.start(start="1.9 4.4 0.0", waypoints=WAY, **ERROR)
        drive = Drive(loop)
        drive.go_on(45)
        drive.go_on(30)
        loop.kidnap(*HOME)
        loop.set(waypoints="1.9 3.9, 2.0 4.6")
        drive.go_on(28)
        draw(drive).savefig(out)
        print(
            f"{len(loop.witness.poses)} poses for {len(drive.stamps)} images, false: {loop.witness.wrong_poses()}"
        )
        loop.close()
    rclpy.try_shutdown()


def draw(drive: Drive):
    """The figure: the office from above with truth, odometry and poses, and an image of each part."""
    style = {f"{part}.color": INK for part in ("text", "xtick", "ytick")} | {
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
    }
    with plt.rc_context(style | {"font.size": 9, "legend.frameon": False}):
        figure = plt.figure(figsize=(8, 6.2), dpi=140, layout="constrained")
        figure.patch.set_alpha(0)
        grid = figure.add_gridspec(3, 2, width_ratios=(2, 1))
        axes = figure.add_subplot(grid[:, 0])
        draw_plan(axes, World.from_sdf(WORLDS / "office.sdf"))
        draw_drive(axes, drive)
        for row, (view, title) in enumerate(
            zip(drive.views, ("wakes up", "drives", "is carried away"), strict=True)
        ):
            part = figure.add_subplot(grid[row, 1])
            part.imshow(view)
            part.set_title(f"{row + 1}. {title}", color=INK, fontsize=9)
            part.axis("off")
    return figure


def draw_plan(axes, world: World) -> None:
    """What stands on the floor, as outlines."""
    for item in world.items:
        for primitive in item.primitives:
            corners = box_corners(primitive)
            if corners[:, 2].min() < 1.0 and corners[:, 2].max() > 0.1:
                outline = cv2.convexHull(corners[:, :2].astype(np.float32))[:, 0]
                axes.add_patch(
                    Polygon(
                        outline,
                        closed=True,
                        fc=INK,
                        ec="none",
                        alpha=0.6 if item.name.startswith("wall") else 0.25,
                    )
                )
    axes.patch.set_alpha(0)
    axes.set(aspect="equal", xlabel="m", ylabel="m")
    axes.spines[:].set_visible(False)


def draw_drive(axes, drive: Drive) -> None:
    """True path, odometry from the true start on, TF, poses with their headings, and where there was none."""
    poses, truth, carried = drive.loop.witness.poses, drive.truth, drive.starts[2]
    parts = (
        slice(0, carried),
        slice(carried + 1, None),
    )  # the image between them may be from either side
    odometry = truth[0] @ np.linalg.inv(drive.odometry[0]) @ drive.odometry
    for part in parts:
        axes.plot(
            *truth[part, :2, 3].T,
            color=TRUTH,
            lw=5,
            alpha=0.5,
            label=None if part.start else "true path",
        )
    axes.plot(*odometry[parts[0], :2, 3].T, color=ODOMETRY, lw=1.5, ls="--", label="odometry alone")
    for part in parts:
        axes.plot(
            *np.array(drive.believed)[part, :2, 3].T,
            color=FOUND,
            lw=1,
            label=None if part.start else "map → odom → base_link in TF",
        )
    axes.annotate(
        "",
        truth[carried + 1, :2, 3],
        truth[carried - 1, :2, 3],
        arrowprops={"arrowstyle": "->", "color": INK, "ls": ":"},
    )
    found = np.array([poses[stamp] for stamp in drive.stamps if stamp in poses])
    axes.quiver(
        *found[:, :2, 3].T, *found[:, :2, 2].T, color=FOUND, width=0.003, scale=16, zorder=3
    )
    axes.plot(
        *found[:, :2, 3].T, ".", ms=6, color=FOUND, zorder=3, label=f"published pose ({len(found)})"
    )
    silent = np.array(
        [T[:2, 3] for stamp, T in zip(drive.stamps, truth, strict=True) if stamp not in poses]
    ).reshape(-1, 2)
    axes.plot(
        *silent.T, "o", ms=5, mfc="none", mec=SILENT, zorder=4, label=f"no pose ({len(silent)})"
    )
    for number, start in enumerate(drive.starts, 1):
        place = truth[min(start + 1, len(truth) - 1), :2, 3]
        axes.annotate(
            f"{number}",
            place,
            xytext=(8, 8),
            textcoords="offset points",
            color=INK,
            fontsize=12,
            weight="bold",
        )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
