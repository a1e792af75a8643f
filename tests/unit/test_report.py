# SPDX-License-Identifier: Apache-2.0
"""The report is one file that opens offline, and shows whatever came of the frames."""

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, View
from diff2i2p.cloud import PointCloud
from diff2i2p.correspondences import Correspondences
from diff2i2p.datasets.sequences import Frame
from diff2i2p.evaluation.metrics import judge, summarize
from diff2i2p.evaluation.report.report import Run, write_report
from diff2i2p.evaluation.report.scene import MAX_FRAMES, MAX_POINTS, scene
from diff2i2p.evaluation.report.wording import reason
from diff2i2p.localization.result import Localization, Status
from diff2i2p.mapping.dense import DenseMap

CAMERA = Camera(320, 240, (260.0, 260.0, 159.5, 119.5))
RNG = np.random.default_rng(0)
POINTS = np.concatenate(
    [
        RNG.uniform((-3, -1, 4), (3, 1, 4.1), (2000, 3)),
        RNG.uniform((-3, 1, 0), (3, 1, 4), (2000, 3)),
    ]
).astype(np.float32)
GREY = RNG.random(4000).astype(np.float32)


def site(grey=GREY):
    colours = None if grey is None else np.repeat((255 * grey).astype(np.uint8)[:, None], 3, 1)
    dense = DenseMap.build(PointCloud(POINTS, colours))
    up, header = np.array([0, -1.0, 0]), {"voxel": 0.08}
    fields = {"up": up, "header": header, "dense": dense, "origin": np.zeros(3)}
    return SimpleNamespace(points=POINTS, grey=grey, **fields)


def record(index: int, off: float | None, confidence: float, matches: bool = True):
    """A frame on a straight drive whose answer is `off` metres, or that has none."""
    truth = np.eye(4)
    truth[:3, :3], truth[0, 3] = (
        Rotation.from_euler("y", index, degrees=True).as_matrix(),
        index / 20,
    )
    estimate = truth.copy()
    estimate[2, 3] += off or 0
    found = Correspondences(
        RNG.uniform(0, 240, (60, 2)), POINTS[:60].astype(float), np.ones(60, np.float32), "network"
    )
    answer = Localization(
        Status.OK if off is not None else Status.REJECTED_LOW_CONFIDENCE, estimate if off is not None else None, np.eye(6), confidence,
        "network", found if matches else None, RNG.random(60) > 0.5, View(np.full((240, 320), 90, np.uint8), CAMERA) if matches else None,
        {"pnp": 3.0, "verify": 1.0},
    )  # fmt: skip
    return judge(
        Frame(index, f"frame-{index:06d}", index / 10, Path("none.jpg"), truth),
        answer,
        POINTS,
        CAMERA,
        40.0 + index,
    )


def without_truth(records: list) -> list:
    frames = [replace(one.frame, T_map_camera=None) for one in records]
    return [
        judge(frame, one.answer, POINTS, CAMERA, one.latency_ms)
        for frame, one in zip(frames, records, strict=True)
    ]


def run(name: str, records: list) -> Run:
    return Run(name, records, summarize(records, name, True, None, "site.i2pmap"))


def mixed(matches=True):
    return [
        record(i, None if i % 5 == 4 else 2.0 if i == 7 else 0.02 * i, i / 30, matches)
        for i in range(30)
    ]


def test_the_report_is_one_page_with_everything_inside(tmp_path):
    page = write_report(
        tmp_path, [run("both", mixed()), run("network", mixed())], site(), "a <drive>"
    )
    text = page.read_text()
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", text) and "http" not in re.sub(
        r"base64,[^\"]*", "", text
    )
    assert "a &lt;drive&gt;" in text
    shown = re.sub(r"<[^>]*>", " ", text)
    for words in (
        "both",
        "network",
        "recall 25cm 5deg",
        "frame-000029",
        "false poses",
        "worst 10",
        "site.i2pmap",
        "right by these alone",
    ):
        assert words in shown
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert names >= {
        "map.png",
        "errors.png",
        "latency.png",
        "confidence.png",
        "frame_best.png",
        "frame_median.png",
        "frame_worst_10.png",
    }
    assert text.count("<img") == len(names)


CHECK = """
<script>
addEventListener("load", () => {
  const images = [...document.images].map(image => {
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    [canvas.width, canvas.height] = [64, 64];
    pen.drawImage(image, 0, 0, 64, 64);
    const shades = new Set(pen.getImageData(0, 0, 64, 64).data.filter((value, i) => i % 4 === 3 ? value : true));
    return [image.alt, image.naturalWidth, image.getBoundingClientRect().width, shades.size];
  });
  const shown = () => [...document.querySelectorAll(".sortable tbody td:first-child")].filter(cell => cell.offsetParent).length;
  const all = shown();
  document.querySelector("button[data-only=only-false]").click();
  const wrong = shown();
  document.querySelectorAll(".sortable th")[4].click();
  const first = document.querySelector(".sortable tbody td").textContent;
  const loaded = performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !name.startsWith("data:"));
  document.body.innerHTML = "<pre>" + JSON.stringify({images, all, wrong, first, loaded}) + "</pre>";
});
</script>
"""


# Clicks along a line through the middle of the map, where the path lies, then drags.
LOOK = """
<script>
addEventListener("load", () => setTimeout(() => {
  const map = document.getElementById("map"), told = document.getElementById("told");
  const shades = name => {
    const canvas = document.getElementById(name), pen = canvas.getContext("2d");
    return new Set(pen.getImageData(0, 0, canvas.width, canvas.height).data).size;
  };
  const before = told.textContent, drawn = [shades("map"), shades("frame")];
  const box = map.getBoundingClientRect();
  const at = (type, x, y) => map.dispatchEvent(
    new PointerEvent(type, { clientX: box.left + x, clientY: box.top + y, bubbles: true }));
  const seen = new Set();
  for (let x = 0; x < box.width; x += 15) {
    at("pointerdown", x, box.height / 2);
    at("pointerup", x, box.height / 2);
    seen.add(told.textContent);
  }
  const still = map.toDataURL();
  at("pointerdown", 50, 50);
  at("pointermove", 150, 90);
  at("pointerup", 150, 90);
  const turned = map.toDataURL() !== still;
  document.body.innerHTML =
    "<pre>" + JSON.stringify({before, drawn, frames: seen.size, turned}) + "</pre>";
}, 500));
</script>
"""


def browser() -> str:
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    return found or pytest.skip(
        "no Chromium on this machine: apt-get install chromium-headless-shell"
    )


def looked_at(page: Path, script: str) -> dict:
    """What a script in the page finds, in a browser without network."""
    checked = page.with_name("checked.html")
    checked.write_text(page.read_text().replace("</body>", script + "</body>"))
    command = [
        browser(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={page.parent}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--virtual-time-budget=5000",
        "--dump-dom",
        checked.as_uri(),
    ]
    dom = subprocess.run(command, capture_output=True, text=True).stdout
    return json.loads(unescape(re.search("<pre>(.*?)</pre>", dom, re.DOTALL)[1]))


def test_a_browser_without_network_draws_every_figure_and_filters_and_sorts_the_frames(tmp_path):
    browser()
    page = write_report(tmp_path, [run("both", mixed()), run("network", mixed())], site(), "drive")
    seen = looked_at(page, CHECK)
    assert {name for name, *_ in seen["images"]} >= {
        "map",
        "errors",
        "timeline",
        "confidence",
        "latency",
        "frame_worst_1",
        "frame_best",
    }
    for name, real_width, width, shades in seen["images"]:
        assert real_width > 300 and width > 300 and shades > 10, (
            name
        )  # there, laid out, and not blank
    assert (seen["all"], seen["wrong"], seen["first"]) == (
        30,
        sum(record.false_accept for record in mixed()),
        "frame-000004",
    ) and seen["loaded"] == []


def test_a_click_on_the_path_shows_the_frame_and_a_drag_turns_the_map(tmp_path):
    browser()
    seen = looked_at(write_report(tmp_path, [run("both", mixed())], site(), "drive"), LOOK)
    assert seen["before"].startswith("frame-000000") and min(seen["drawn"]) > 10
    assert seen["frames"] > 2 and seen["turned"]


def test_the_view_has_every_frame_with_its_state_and_points_where_they_are():
    records = mixed()
    shown = scene(records, site())
    states = [frame["state"] for frame in shown["frames"]]
    assert states.count("silent") == 6 and states[7] == "false" and states[0] == "answered"
    assert shown["frames"][4]["estimate"] is None and shown["frames"][4]["truth"][0] == 0.2
    steps = np.frombuffer(base64.b64decode(shown["points"]), "<i2").reshape(-1, 3)
    points = np.array(shown["low"]) + shown["step"] * steps
    below = POINTS[POINTS[:, 1] >= -0.3 - 1e-6]
    assert len(points) == len(below) and np.abs(points - below).max() < 2 * shown["step"]
    u, v, x, y, z, good = shown["frames"][0]["matches"][0]
    matches = records[0].answer.correspondences
    found = np.abs(matches.pixels - (u, v)).max(1).argmin()
    assert good == 1.0 and np.abs(matches.points[found] - (x, y, z)).max() < 0.01


def test_a_long_drive_in_a_large_map_keeps_the_view_small():
    many = np.random.default_rng(1).uniform((-9, 0, -9), (9, 1, 9), (3 * MAX_POINTS, 3))
    large = SimpleNamespace(points=many, grey=None, up=np.array([0, -1.0, 0]), origin=np.zeros(3))
    frames = [record(i % 30, 0.02, 0.9) for i in range(2 * MAX_FRAMES + 1)]
    shown = scene(frames, large)
    assert len(base64.b64decode(shown["greys"])) == MAX_POINTS
    assert len(shown["frames"]) == len(frames)
    assert 0 < sum("image" in frame for frame in shown["frames"]) <= MAX_FRAMES


def test_the_worst_frame_is_the_false_pose(tmp_path):
    text = write_report(tmp_path, [run("both", mixed())], site(), "drive").read_text()
    first = text[text.index("worst 1<") :]
    assert (
        "false pose" in first[:80]
        and "frame-000007: 200.0 cm" in first[:120]
        and text.index("worst 1<") < text.index("best<")
    )


def test_a_map_without_colour_is_shown_by_its_shape(tmp_path):
    write_report(tmp_path, [run("network", mixed())], site(grey=None), "drive")
    picture = cv2.imread(str(tmp_path / "pictures/frame_best.png"))
    assert len(np.unique(picture[:, 660:])) > 20


@pytest.mark.parametrize(
    "records",
    [
        mixed(matches=False),
        [record(0, None, 0.0)],
        [record(0, 0.1, 0.9)],
        [record(i, None, 0.1) for i in range(12)],
    ],
)
def test_drives_without_matches_without_answers_or_of_one_frame_have_a_report_too(
    tmp_path, records
):
    assert "</html>" in write_report(tmp_path, [run("both", records)], site(), "drive").read_text()


def test_without_truth_the_report_shows_what_it_can(tmp_path):
    text = write_report(
        tmp_path, [run("both", without_truth(mixed()))], site(), "drive"
    ).read_text()
    assert (
        "longest time without a pose" in text
        and "median error" not in text
        and "recall 25cm" not in text
    )
    assert {path.name for path in (tmp_path / "pictures").iterdir()} >= {
        "map.png",
        "timeline.png",
        "frame_worst_1.png",
    }
    assert not (tmp_path / "pictures/errors.png").exists()


def test_the_reason_says_what_came_of_a_frame():
    assert "no answer: a pose was found but the evidence" in reason(record(1, None, 0.2))
    assert reason(record(1, 0.123, 0.9)).startswith("frame-000001: 12.3 cm, 0.00° off (network, ")
