# SPDX-License-Identifier: Apache-2.0
"""Where pairs come from: files on disk, folders of RGB-D images, synthetic places."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from test_cell_losses import Places

from diff2i2p.camera import Camera
from diff2i2p_training.data import pair_pool, place_pairs, rgbd
from diff2i2p_training.data.pair_pool import Mixture, PairPool, PoolError
from diff2i2p_training.data.place_pairs import FIRST, fill, next_seed
from diff2i2p_training.data.rgbd import RgbdError, fused, read_rgbd, rgbd_pairs
from diff2i2p_training.data.site_pairs import EACH, sequence_pairs
from diff2i2p_training.pretrain import RealData, add_real, stored_pairs

TINY = Camera(96, 64, (72.0, 72.0, 47.5, 31.5))


@pytest.fixture
def pool(tmp_path) -> PairPool:
    return PairPool(tmp_path / "pool")


def test_pairs_come_back_from_disk_as_they_were(pool):
    pairs = Places().pairs
    assert pool.add("here", pairs) == 2
    rng = np.random.default_rng(0)
    drawn = [pool.draw(rng) for _ in range(20)]
    assert all(pair.site == "here" for pair in drawn)
    for pair in drawn:
        same = [known for known in pairs if (known.photo == pair.photo).all()]
        assert len(same) == 1 and (pair.drawing == same[0].drawing).all()
        np.testing.assert_array_equal(pair.pixels, same[0].pixels)
    assert len({pair.photo.tobytes() for pair in drawn}) == 2


def test_many_pairs_of_a_site_go_into_several_files(pool, monkeypatch):
    monkeypatch.setattr(pair_pool, "SHARD", 3)
    assert pool.add("here", Places().pairs * 4) == 8
    assert len(pool) == 3
    assert sorted(path.name for path in pool.shards)[0] == "here-0.safetensors"


def test_the_oldest_make_room_and_what_others_wrote_is_found(pool):
    other = PairPool(pool.folder)
    for seed in range(5):
        other.add(f"place{seed}", Places().pairs)
    assert len(pool) == 5
    other.keep(2)
    rng = np.random.default_rng(0)
    assert {pool.draw(rng).site for _ in range(20)} == {"place3", "place4"}
    assert len(pool) == 2


def test_a_shard_that_goes_while_it_is_drawn_from_is_no_error(pool):
    for name in ("a", "b"):
        pool.add(name, Places().pairs)
    assert len(pool) == 2
    (pool.folder / "a-0.safetensors").unlink()
    pool.listed = pool.folder.stat().st_mtime_ns  # as if it were going right now
    assert {pool.draw(np.random.default_rng(seed)).site for seed in range(9)} == {"b"}


def test_a_site_counts_as_the_root_of_its_size(pool, monkeypatch):
    monkeypatch.setattr(pair_pool, "SHARD", 10)
    pool.add("small", Places().pairs * 2)
    pool.add("large", Places().pairs * 18)
    rng = np.random.default_rng(0)
    large = np.mean([pool.draw(rng).site == "large" for _ in range(400)])
    assert len(pool) == 5 and 0.67 < large < 0.83  # a root of 9 is 3


def test_an_empty_folder_of_pairs_is_named(pool):
    with pytest.raises(PoolError, match="holds no pairs"):
        pool.draw(np.random.default_rng(0))


@pytest.mark.parametrize("content", [b"cut off", None])
def test_a_damaged_shard_is_named(pool, content, tmp_path):
    pool.add("here", Places().pairs)
    path = pool.folder / "here-0.safetensors"
    path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(PoolError, match="here-0.safetensors"):
        pool.draw(np.random.default_rng(0))


def test_a_mixture_draws_as_often_as_it_is_told():
    class Source:
        def __init__(self, name):
            self.name = name

        def draw(self, rng):
            return self.name

    mixture, rng = Mixture([Source("places"), Source("real")], [3.0, 1.0]), np.random.default_rng(0)
    drawn = [mixture.draw(rng) for _ in range(400)]
    assert 0.18 < np.mean([name == "real" for name in drawn]) < 0.32


@pytest.fixture
def room_folder(room, tmp_path):
    """Four RGB-D images of the room, posed, the depth images smaller than the photos."""
    camera = Camera(320, 240, (240.0, 240.0, 159.5, 119.5))
    folder = tmp_path / "room"
    for part in ("rgb", "depth", "pose"):
        (folder / part).mkdir(parents=True)
    _, poses = room.drive(0, 40, 2.0, cover=True)
    for number, T in enumerate(poses[:4]):
        images, depths = room.render(camera, T[None])
        small = cv2.resize(depths[0], (160, 120), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / "rgb" / f"{number:06d}.jpg"), images[0][..., ::-1])
        millimetres = (small * 1000).round().astype(np.uint16)
        cv2.imwrite(str(folder / "depth" / f"{number:06d}.png"), millimetres)
        np.savetxt(folder / "pose" / f"{number:06d}.txt", T)
    values = dict(zip(("fx", "fy", "cx", "cy"), camera.K, strict=True))
    of_depth = zip(("fx", "fy", "cx", "cy"), camera.resized(160).K, strict=True)
    sizes = {"width": 320, "height": 240, "depth_width": 160, "depth_height": 120}
    intrinsics = values | sizes | {f"depth_{name}": value for name, value in of_depth}
    (folder / "intrinsics.json").write_text(json.dumps(intrinsics))
    return folder


def test_fused_depth_lies_on_the_surfaces_of_the_room(site, room_folder):
    from scipy.spatial import cKDTree

    cloud = fused(read_rgbd(room_folder), 0.03)
    away = cKDTree(site[0].points).query(cloud.points)[0]
    assert len(cloud) > 3000 and np.median(away) < 0.04 and np.percentile(away, 90) < 0.12


def test_a_folder_of_posed_images_makes_pairs_of_one_site(room_folder):
    pairs = list(rgbd_pairs(room_folder))
    assert 4 < len(pairs) <= 4 * rgbd.EACH and {pair.site for pair in pairs} == {"room"}
    assert np.mean([np.isfinite(pair.pixels[:, 0]).mean() for pair in pairs]) > 0.2


def test_an_image_without_a_pose_is_a_map_of_its_own(room_folder):
    (room_folder / "pose" / "000001.txt").unlink()
    (room_folder / "pose" / "000002.txt").write_text("nan " * 16)
    groups = rgbd._groups(read_rgbd(room_folder))
    assert [len(group) for group in groups] == [2, 1, 1]
    assert (groups[1][0].T_map_camera == np.eye(4)).all()


def test_intrinsics_of_each_image_go_before_those_of_all(room_folder):
    path = room_folder / "intrinsics.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"per_frame": [{}, {"fx": 300.0}]}))
    assert [image.view.camera.K[0] for image in read_rgbd(room_folder)] == [240, 300, 240, 240]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("intrinsics.json", "{", "intrinsics.json does not say"),
        ("intrinsics.json", "[1]", "intrinsics.json does not say"),
        ("intrinsics.json", '{"width": 320}', "no 'height'"),
        ("pose/000001.txt", "1 2 3", "no 4x4 matrix"),
    ],
)
def test_a_mistake_in_a_folder_of_images_is_named(room_folder, name, text, message):
    (room_folder / name).write_text(text)
    with pytest.raises(RgbdError, match=message):
        read_rgbd(room_folder)


def test_a_folder_without_depth_is_refused(room_folder):
    for path in (room_folder / "depth").iterdir():
        path.unlink()
    with pytest.raises(RgbdError, match="depth/NAME.png"):
        read_rgbd(room_folder)


def test_real_data_are_stored_once_and_named_in_what_was_trained_on(site, room_folder, tmp_path):
    cloud, sequence = site
    few = replace(sequence, frames=sequence.frames[:3])
    real = RealData((room_folder,), (cloud, few))
    pool = PairPool(tmp_path / "pool" / "real")
    add_real(pool, real)
    stored = {path.name: path.stat().st_mtime_ns for path in pool.folder.iterdir()}
    assert len(stored) == 2
    PairPool(tmp_path / "pool" / "places").add("place0001000", Places().pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diff2i2p_training.pretrain.ENOUGH", 1)
        mixture, data = stored_pairs(tmp_path / "pool", real, 9)
    assert {path.name: path.stat().st_mtime_ns for path in pool.folder.iterdir()} == stored
    assert "room" in data and few.name in data and len(mixture.sources) == 2


def test_photos_of_a_site_make_a_few_pairs_each(site):
    cloud, sequence = site
    pairs = list(sequence_pairs(cloud, replace(sequence, frames=sequence.frames[:2])))
    assert EACH < len(pairs) <= 2 * EACH and {pair.site for pair in pairs} == {sequence.name}


def test_pairs_of_a_site_far_from_zero_are_those_of_the_site(site):
    cloud, sequence = site
    few, origin = replace(sequence, frames=sequence.frames[:2]), (500_000.0, 4_000_000.0, 0.0)
    far = sequence_pairs(replace(cloud, origin=origin), few.moved(np.array(origin)))
    for there, here in zip(far, sequence_pairs(cloud, few), strict=True):
        assert (there.drawing == here.drawing).mean() > 0.99


def test_an_image_with_a_camera_of_its_own_is_seen_by_that(site):
    cloud, sequence = site
    few = replace(sequence, frames=sequence.frames[:2])
    own = tuple(replace(frame, camera=sequence.camera) for frame in few)
    wide = replace(sequence.camera, K=(80.0, 80.0, *sequence.camera.K[2:]))
    mixed = sequence_pairs(cloud, replace(few, camera=wide, frames=own))
    for told, known in zip(mixed, sequence_pairs(cloud, few), strict=True):
        np.testing.assert_array_equal(told.photo, known.photo)
        np.testing.assert_array_equal(told.drawing, known.drawing)


def test_a_seed_stands_for_a_place():
    first, again = (list(place_pairs.place_pairs(FIRST + 1, TINY, photos=6)) for _ in range(2))
    assert len(first) == len(again) >= 4 and first[0].site == again[0].site == "place0001001"
    assert all(
        (a.drawing == b.drawing).all() and (a.photo == b.photo).all()
        for a, b in zip(first, again, strict=True)
    )
    assert np.mean([np.isfinite(pair.pixels[:, 0]).mean() for pair in first]) > 0.1


def test_places_are_made_one_after_another_and_a_broken_one_is_left_out(pool, monkeypatch, capfd):
    def made(seed):
        if seed == FIRST + 1:
            raise ValueError("no door")
        return iter([replace(pair, site=f"place{seed:07d}") for pair in Places().pairs * 10])

    monkeypatch.setattr(place_pairs, "place_pairs", made)
    fill(pool.folder, 1, 9, until=2)
    assert [path.stem for path in sorted(pool.folder.iterdir())] == [
        "place0001000-0",
        "place0001002-0",
    ]
    assert "place 1001 is left out" in capfd.readouterr().err
    assert next_seed(pool.folder) == FIRST + 3
