# SPDX-License-Identifier: Apache-2.0
"""Worlds are the same for the same seed, look and measure as geometry says, and can be driven through."""

import itertools

import numpy as np
import pytest

from diff2i2p.camera import Camera, CameraError
from diff2i2p_sim.description import Item, Light, Primitive, Room, Texture
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.rendering.scan_style import ScanStyle
from diff2i2p_sim.robot.drive import survey
from diff2i2p_sim.textures.painter import PAINTERS, bitmap
from diff2i2p_sim.world import World
from diff2i2p_sim.write import CAMERA

# At (0, 0, 1), looking along x.
FORWARD = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1], [0, 0, 0, 1.0]])
GREY = Texture("plain", 0, (0.5, 0.5, 0.5), 0.3)
LAMP = Light("lamp", (0.0, 0.0, 2.6), (0.0, 0.0, -1.0), 1.0)
ROOM = Room("office", (-4.0, -4.0), (4.0, 4.0))


def one(shape, pose, size, texture=GREY) -> World:
    """A world of a single thing."""
    return World((Item("thing", (Primitive(shape, pose, size, texture),)),), (LAMP,), (ROOM,))


@pytest.fixture(scope="module")
def office() -> World:
    return World.office(3, rooms=2)


@pytest.fixture(scope="module")
def view(office):
    """Frames along a drive: poses, images, depths."""
    _, poses = office.drive(1, 12)
    return poses, *office.render(CAMERA, poses)


def surface_distance(world: World, points: np.ndarray) -> np.ndarray:
    """(N,) metres from points (N, 3) to the nearest surface of any primitive."""
    distances = np.full(len(points), np.inf)
    for primitive in world.primitives:
        local = np.abs((points - primitive.pose[:3]) @ primitive.rotation)
        half = np.array(primitive.size) / 2
        if primitive.shape == "cylinder":
            local, half = np.stack([np.hypot(local[:, 0], local[:, 1]), local[:, 2]], 1), half[1:]
        beyond = local - half
        outside, inside = (
            np.linalg.norm(np.maximum(beyond, 0), axis=1),
            np.minimum(beyond.max(1), 0),
        )
        distances = np.minimum(distances, np.abs(outside + inside))
    return distances


def test_a_box_has_the_depth_and_the_outline_that_geometry_says():
    _, depths = one("box", (3.0, 0, 1.0, 0, 0, 0), (1.0, 1.0, 1.0)).render(CAMERA, FORWARD)
    rows, columns = np.nonzero(depths[0])
    assert np.allclose(depths[0][depths[0] > 0], 2.5, atol=1e-4)
    half = 230 * 0.5 / 2.5  # pixels from the principal point to the edge
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (74, 165, 114, 205)
    assert abs((columns.max() - columns.min() + 1) / 2 - half) < 1


def test_a_turned_box_is_nearer_by_its_corner():
    _, depths = one("box", (3.0, 0, 1.0, 0, 0, np.pi / 4), (1.0, 1.0, 1.0)).render(CAMERA, FORWARD)
    assert depths.max() > 2.9
    assert depths[depths > 0].min() == pytest.approx(3 - np.sqrt(0.5), abs=0.005)


def test_a_cylinder_is_round():
    _, depths = one("cylinder", (3.0, 0, 1.0, 0, 0, 0), (1.0, 1.0, 2.0)).render(CAMERA, FORWARD)
    slope = (np.arange(320) - 159.5) / 230
    root = 9 - (1 + slope**2) * (9 - 0.25)
    expected = (3 - np.sqrt(np.maximum(root, 0))) / (1 + slope**2)
    inside = root > 0.1
    assert np.allclose(depths[0, 119, inside], expected[inside], atol=2e-3)
    assert (depths[0, 119, root < -0.1] == 0).all()


def test_the_near_end_of_a_floor_that_passes_under_the_camera_is_seen():
    _, depths = one("plane", (0.0, 0, 0, 0, 0, 0), (20.0, 20.0, 0.0)).render(CAMERA, FORWARD)
    rows = np.array([150, 180, 239])
    assert np.allclose(depths[0, rows, 160], 230 / (rows - 119.5), rtol=1e-4)
    assert (depths[0, :118] == 0).all()


def test_planes_are_seen_from_the_front_only():
    away = one("plane", (3.0, 0, 1.0, np.pi / 2, 0, np.pi / 2), (1.0, 1.0, 0.0))
    assert away.render(CAMERA, FORWARD)[1].max() == 0


def test_a_picture_on_a_wall_is_neither_mirrored_nor_upside_down():
    texture = Texture("poster", 5)
    world = one("plane", (3.0, 0, 1.0, np.pi / 2, 0, -np.pi / 2), (1.5, 2.0, 0.0), texture)
    image, depth = (
        frames[0] for frames in world.render(Camera(192, 256, (384.0, 384.0, 95.5, 127.5)), FORWARD)
    )
    assert (depth > 0).all()
    seen, painted = image.mean(2), bitmap(texture).mean(2)

    def likeness(other):
        return np.corrcoef(seen.ravel(), other.ravel())[0, 1]

    assert likeness(painted) > 0.9
    assert all(
        likeness(other) < 0.8 for other in (painted[:, ::-1], painted[::-1], painted[::-1, ::-1])
    )


def test_a_table_throws_a_shadow():
    floor = Item("floor", (Primitive("plane", (0, 0, 0, 0, 0, 0), (8.0, 8.0, 0.0), GREY),))
    table = Item("table", (Primitive("box", (0, 0, 1.0, 0, 0, 0), (1.0, 1.0, 0.05), GREY),))
    down = np.array(
        [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0.9], [0, 0, 0, 1.0]]
    )  # where the table top would be above
    without, under = (
        World(items, (LAMP,), (ROOM,)).render(CAMERA, down)[0][0, 100:140, 140:180]
        for items in ((floor,), (floor, table))
    )
    assert under.mean() < 0.85 * without.mean()


def test_the_same_seed_gives_the_same_pixels_and_another_seed_another_place(office, view):
    poses, images, _ = view
    again = World.office(3, rooms=2)
    assert again == office
    assert np.array_equal(again.render(CAMERA, poses[:1])[0], images[:1])
    assert World.office(4, rooms=2) != office


def test_walls_have_no_holes_and_pictures_have_contrast(view):
    _, images, depths = view
    assert (depths > 0.05).all() and depths.max() < 20
    assert np.std(images.astype(float), axis=(1, 2, 3)).min() > 15
    assert 60 < images.mean() < 190


def test_the_light_of_the_day_is_in_the_picture(office, view):
    poses, images, depths = view
    dark, same = office.render(CAMERA, poses[:2], light="dark")
    assert dark.mean() < 0.6 * images[:2].mean()
    assert np.array_equal(same, depths[:2])
    lamp = office.render(CAMERA, poses[:2], light="lamp")[0].astype(float)
    assert lamp[..., 0].mean() > lamp[..., 2].mean()  # warm


def test_a_distorted_camera_is_refused(office):
    with pytest.raises(CameraError, match="rectify"):
        office.render(Camera(320, 240, CAMERA.K, (0.1, 0, 0, 0)), np.eye(4))


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_scan_points_lie_on_surfaces_up_to_the_noise(office, noise):
    cloud = office.scan(
        np.random.default_rng(0),
        [[*office.rooms[1].centre, 1.2]],
        ScanStyle(noise=noise, voxel=0.001),
    )
    sample = cloud[np.random.default_rng(1).choice(len(cloud), 2000, replace=False)]
    distance = surface_distance(office, sample.points.astype(float))
    assert np.percentile(distance, 99) < 3 * noise + 1e-3
    assert sample.colours.shape == (2000, 3) and sample.colours.std() > 20
    assert (
        0 <= sample.intensity.min()
        and sample.intensity.max() <= 1
        and sample.intensity.std() > 0.05
    )


def test_a_scan_is_the_same_for_the_same_seed_and_thinner_for_a_larger_voxel(office):
    at = [[*office.rooms[1].centre, 1.2]]
    first, again, thin = (
        office.scan(np.random.default_rng(7), at, ScanStyle(voxel=voxel))
        for voxel in (0.1, 0.1, 0.2)
    )
    assert np.array_equal(first.points, again.points)
    assert len(thin) < 0.5 * len(first)


def test_glass_gives_no_echo(office):
    cloud = office.scan(
        np.random.default_rng(0),
        [[*office.rooms[1].centre, 1.2]],
        ScanStyle(noise=0.0, voxel=0.001),
    )
    for pane in (
        primitive for primitive in office.primitives if primitive.texture.kind == "window"
    ):
        local = np.abs((cloud.points - pane.pose[:3]) @ pane.rotation)
        assert not (local < [pane.size[0] / 2 - 0.1, pane.size[1] / 2 - 0.1, 0.003]).all(1).any()


@pytest.mark.parametrize(("seed", "cover"), [(1, False), (2, False), (1, True)])
def test_a_drive_is_smooth_upright_and_hits_nothing(office, seed, cover):
    stamps, poses = office.drive(seed, 200, cover=cover)
    positions = poses[:, :3, 3]
    speed = np.linalg.norm(np.diff(positions, axis=0), axis=1) / np.diff(stamps)
    assert speed.max() <= 0.6
    turned = np.einsum("fij,fij->f", poses[1:, :3, :3], poses[:-1, :3, :3])
    assert (
        np.degrees(np.arccos(np.clip((turned - 1) / 2, -1, 1)) / np.diff(stamps)).max() < 90
    )  # degrees a second
    assert survey(office.items, office.rooms).clearance_at(positions[:, :2]).min() > 0.2
    assert (poses[:, 2, 1] < -0.95).all() and np.allclose(np.linalg.det(poses[:, :3, :3]), 1)
    assert np.abs(positions[:, 2] - 1).max() < 0.05


def test_drives_differ_by_seed_and_last_as_long_as_their_frames(office):
    stamps, poses = office.drive(1, 50, rate=5.0)
    assert np.allclose(stamps, np.arange(50) / 5)
    assert np.array_equal(poses, office.drive(1, 50, rate=5.0)[1])
    assert not np.allclose(poses, office.drive(2, 50, rate=5.0)[1])


@pytest.mark.parametrize(("seed", "rooms"), [(0, 1), (1, 5), (2, 8)])
def test_a_mapping_run_visits_every_room(seed, rooms):
    world = World.office(seed, rooms)
    places = world.drive(seed, 400, cover=True)[1][:, :2, 3]
    assert all(((places > room.low) & (places < room.high)).all(1).any() for room in world.rooms)


def test_scan_positions_are_spread_along_the_drive(office):
    places = scan_positions(office.drive(1, 300, cover=True)[1], every=1.0)
    assert len(places) > 4
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(places, 2)) > 1.0


def test_another_day_moves_some_furniture_and_changes_the_light(office, view):
    day = office.changed(5)
    assert day == office.changed(5) != office.changed(6)
    before, after = ({item.name: item for item in world.items} for world in (office, day))
    moved = [
        np.linalg.norm(np.subtract(after[name].bounds, item.bounds).mean(0))
        for name, item in before.items()
        if name in after
    ]
    moved = np.array([distance for distance in moved if distance > 0])
    assert 2 <= len(moved) < 0.3 * len(before)
    assert moved.min() > 0.2 and moved.max() < 1.1
    assert day.lighting != office.lighting
    images, depths = day.render(CAMERA, view[0])
    assert 0.6 < (np.abs(depths - view[2]) < 0.02).mean() < 1
    assert 2 < np.abs(images.astype(float) - view[1]).mean() < 70


@pytest.mark.parametrize("kind", sorted(PAINTERS))
def test_every_texture_can_be_painted_and_depends_on_its_seed_alone(kind):
    image = bitmap(Texture(kind, 1, (0.6, 0.5, 0.4)))
    assert image.dtype == np.uint8 and image.ndim == 3 and image.std() > 0.5
    bitmap.cache_clear()
    assert np.array_equal(image, bitmap(Texture(kind, 1, (0.6, 0.5, 0.4))))
