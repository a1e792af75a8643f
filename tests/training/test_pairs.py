# SPDX-License-Identifier: Apache-2.0
"""Downloads become pairs, pairs are read back, and a pickle is data, never a program."""

import pickle
import shutil

import cv2
import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.datasets.sequences import read_sequence
from diff2i2p_training import cli
from diff2i2p_training.data import prepare as preparing
from diff2i2p_training.data.pairs import PairsError, read_pairs
from diff2i2p_training.data.plain_pickle import PlainPickleError, read_plain_pickle
from diff2i2p_training.data.prepare import prepare

FRAMES = 4  # a fragment, in these tests


@pytest.fixture(scope="module")
def frames(shared_data):
    """36 frames of the kitchen that look about."""
    return read_sequence(shared_data / "kitchen", 0, 180).frames[::5]


@pytest.fixture
def seven_scenes(frames, tmp_path):
    """Two sequences of a scene as 7-Scenes offers it; sequence 2 is for testing."""
    scene = tmp_path / "download" / "redkitchen"
    for number, part in ((1, frames[:20]), (2, frames[20:])):
        folder = scene / f"seq-{number:02d}"
        folder.mkdir(parents=True)
        for i, frame in enumerate(part):
            stem = f"frame-{i:06d}"
            shutil.copyfile(frame.image_path, folder / f"{stem}.color.jpg")
            depth = cv2.resize(
                (frame.depth() * 1000).astype(np.uint16),
                (640, 480),
                interpolation=cv2.INTER_NEAREST,
            )
            cv2.imwrite(str(folder / f"{stem}.depth.png"), np.where(depth == 0, 65535, depth))
            np.savetxt(folder / f"{stem}.pose.txt", frame.T_map_camera)
    (scene / "TrainSplit.txt").write_text("sequence1\n")
    (scene / "TestSplit.txt").write_text("sequence2\n")
    return scene.parent


@pytest.fixture
def rgbd_scenes(frames, tmp_path):
    """Scenes 1 and 11 as RGB-D Scenes V2 offers them."""
    root = tmp_path / "rgbd"
    (root / "pc").mkdir(parents=True)
    for number, part in ((1, frames[:18]), (11, frames[18:])):
        folder = root / "imgs" / f"scene_{number:02d}"
        folder.mkdir(parents=True)
        for i, frame in enumerate(part):
            cv2.imwrite(str(folder / f"{i:05d}-color.png"), cv2.imread(str(frame.image_path)))
            cv2.imwrite(
                str(folder / f"{i:05d}-depth.png"), (frame.depth() * 1000).astype(np.uint16)
            )
        poses = np.stack([frame.T_map_camera for frame in part])
        x, y, z, w = Rotation.from_matrix(poses[:, :3, :3]).as_quat().T
        np.savetxt(
            root / "pc" / f"{number:02d}.pose", np.column_stack([w, x, y, z, poses[:, :3, 3]])
        )
    return root


@pytest.fixture(autouse=True)
def short_fragments(monkeypatch):
    monkeypatch.setattr(preparing, "FRAMES", FRAMES)


def explained(pair) -> float:
    """Share of the image's depth that lies on the fragment, by the pair as read."""
    view = pair.view(160)
    points = view.points(*np.nonzero(view.depth))
    return float((cKDTree(pair.cloud()).query(points)[0] < preparing.REACH).mean())


def test_seven_scenes_becomes_pairs_whose_images_lie_on_their_fragments(seven_scenes, tmp_path):
    counts = prepare(seven_scenes, tmp_path / "out")
    assert counts["train"] > 0 and counts["test"] > 0
    pairs = read_pairs(tmp_path / "out", "test").pairs
    assert len(pairs) == counts["test"]
    for pair in pairs[:4]:
        assert pair.scene == "redkitchen" and pair.camera.width == 640
        assert explained(pair) == pytest.approx(pair.overlap, abs=0.06)
        assert pair.frame.image().shape == (480, 640, 3)


def test_no_image_is_paired_with_the_fragment_it_is_part_of(seven_scenes, tmp_path):
    prepare(seven_scenes, tmp_path / "out")
    for split in ("train", "test"):
        for pair in read_pairs(tmp_path / "out", split).pairs:
            image, cloud = (path.stem[-3:] for path in (pair.frame.image_path, pair.cloud_path))
            assert (pair.frame.image_path.parent, image) != (pair.cloud_path.parent, cloud)


def test_the_end_of_a_training_sequence_is_for_validation(seven_scenes, tmp_path):
    prepare(seven_scenes, tmp_path / "out")
    folders = {
        path.name for path in (tmp_path / "out" / "data" / "redkitchen").iterdir() if path.is_dir()
    }
    assert folders == {"seq-01", "seq-01-val", "seq-02"}
    assert (
        len(list((tmp_path / "out" / "data" / "redkitchen" / "seq-01").glob("cloud_*"))) == 4
    )  # 16 of 20 frames


def test_rgbd_scenes_are_split_by_their_number(rgbd_scenes, tmp_path):
    counts = prepare(rgbd_scenes, tmp_path / "out")
    assert counts["train"] > 0 and counts["test"] > 0 and counts["val"] == 0
    pair = read_pairs(tmp_path / "out", "test").pairs[0]
    assert pair.scene == "rgbd-scenes-v2-scene_11"
    assert pair.camera.K == (570.3, 570.3, 320.0, 240.0)


def test_pairs_are_chosen_by_overlap_and_scene(seven_scenes, tmp_path):
    prepare(seven_scenes, tmp_path / "out")
    every = read_pairs(tmp_path / "out", "train")
    half = sorted(pair.overlap for pair in every.pairs)[len(every) // 2]
    assert 0 < len(read_pairs(tmp_path / "out", "train", half)) < len(every)
    with pytest.raises(PairsError, match="scenes asked for"):
        read_pairs(tmp_path / "out", "train", scenes=["chess"])
    assert sum(map(len, every.by_cloud.values())) == len(every)


def test_the_metadata_of_2d3d_matr_is_read_under_both_of_its_names(seven_scenes, tmp_path):
    out = tmp_path / "out"
    prepare(seven_scenes, out)
    expected = read_pairs(out, "test").pairs
    (out / "metadata" / "test.pkl").rename(out / "metadata" / "test-full.pkl")
    found = read_pairs(out, "test").pairs
    assert [pair.cloud_path for pair in found] == [pair.cloud_path for pair in expected]
    assert np.allclose(found[0].T_camera_map, expected[0].T_camera_map)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_survives_every_pickle_protocol(tmp_path, protocol):
    data = [
        {
            "name": "a",
            "T": np.eye(4, dtype=np.float32),
            "overlap": np.float64(0.5),
            "raw": b"\x00\xff",
            "more": (1, None, True),
        }
    ]
    (tmp_path / "data.pkl").write_bytes(pickle.dumps(data, protocol))
    read = read_plain_pickle(tmp_path / "data.pkl")
    assert np.array_equal(read[0].pop("T"), data[0].pop("T"))
    assert read == data


class Evil:
    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize(
    "payload", [Evil(), [np.array([Evil()], object)], Camera(1, 1, (1.0, 1.0, 0.0, 0.0)), np.load]
)
def test_a_pickle_that_asks_for_code_is_refused_and_nothing_runs(tmp_path, capsys, payload):
    path = tmp_path / "train.pkl"
    path.write_bytes(pickle.dumps(payload))
    with pytest.raises(PlainPickleError, match="train.pkl"):
        read_plain_pickle(path)
    assert capsys.readouterr().out == ""


def test_damaged_or_foreign_metadata_is_one_clear_sentence(tmp_path):
    (tmp_path / "metadata").mkdir()
    path = tmp_path / "metadata" / "train.pkl"
    path.write_bytes(pickle.dumps([{"a": 1}])[:-3])
    with pytest.raises(PlainPickleError, match="copy it again"):
        read_pairs(tmp_path, "train")
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(PairsError, match="list of dictionaries"):
        read_pairs(tmp_path, "train")
    path.write_bytes(pickle.dumps([{"scene_name": "a"}]))
    with pytest.raises(PairsError, match="not complete"):
        read_pairs(tmp_path, "train")
    with pytest.raises(PairsError, match="diff2i2p-train prepare"):
        read_pairs(tmp_path, "test")


def test_the_command_says_how_many_pairs_it_made_or_what_is_wrong(
    seven_scenes, tmp_path, monkeypatch, capsys
):
    answers = []
    for download, scenes in (
        (seven_scenes, "redkitchen"),
        (seven_scenes, "chess"),
        (tmp_path / "absent", ""),
    ):
        monkeypatch.setattr(
            "sys.argv",
            [
                "diff2i2p-train",
                "prepare",
                str(download),
                "-o",
                str(tmp_path / "out"),
                "--scenes",
                scenes,
            ],
        )
        with pytest.raises(SystemExit) as end:
            cli.main()
        answers.append((end.value.code or 0, capsys.readouterr()))
    codes, texts = zip(*answers, strict=True)
    assert codes == (0, 2, 2)
    assert "pairs for train" in texts[0].out
    assert (
        "no scene chess; it has redkitchen" in texts[1].err
        and "there is no download" in texts[2].err
    )


def test_a_folder_that_is_no_download_is_named_with_what_was_expected(tmp_path):
    with pytest.raises(PairsError, match="imgs/scene_NN"):
        prepare(tmp_path, tmp_path / "out")
    with pytest.raises(PairsError, match="no download"):
        prepare(tmp_path / "absent", tmp_path / "out")
