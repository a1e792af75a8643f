# SPDX-License-Identifier: Apache-2.0
"""Worlds on disk: SDF that reads back to the same world, and folders that everything else can read."""

import shutil
import subprocess
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from diff2i2p.camera import Camera
from diff2i2p.cloud import read_cloud
from diff2i2p.datasets.sequences import read_sequence
from diff2i2p_sim.sdf import WorldError
from diff2i2p_sim.world import World
from diff2i2p_sim.write import write_world

SMALL = Camera(80, 60, (58.0, 58.0, 39.5, 29.5))


@pytest.fixture(scope="module")
def world() -> World:
    return World.office(2, rooms=1).changed(1)


@pytest.fixture(scope="module")
def sdf(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("sdf") / "world.sdf"
    world.to_sdf(path)
    return path


def test_an_sdf_file_reads_back_to_an_equal_world(world, sdf):
    assert World.from_sdf(sdf) == world


def test_models_that_others_add_to_an_sdf_file_are_left_alone(world, sdf, tmp_path):
    text = sdf.read_text().replace(
        "</world>",
        "<model name='robot'><link name='base_link'><visual name='body'/></link></model></world>",
    )
    (tmp_path / "peopled.sdf").write_text(text)
    assert World.from_sdf(tmp_path / "peopled.sdf") == world


def test_an_sdf_file_names_the_systems_that_gazebo_needs(sdf):
    systems = {
        plugin.get("name").rpartition("::")[2] for plugin in ET.parse(sdf).iterfind("world/plugin")
    }
    assert systems == {"Physics", "Sensors", "SceneBroadcaster", "UserCommands"}


def test_an_sdf_file_brings_its_textures(world, sdf):
    maps = {element.text for element in ET.parse(sdf).iter("albedo_map")}
    assert len(maps) > 20
    assert all(cv2.imread(str(sdf.parent / name)) is not None for name in maps)


def test_a_repeated_texture_is_repeated_in_its_picture(world, sdf):
    floor = next(model for model in ET.parse(sdf).iter("model") if model.get("name") == "shell_0")
    width = float(floor.find("link/visual/geometry/plane/size").text.split()[0])
    picture = cv2.imread(
        str(sdf.parent / floor.find("link/visual/material/pbr/metal/albedo_map").text)
    )
    tile = round(picture.shape[1] * world.items[0].primitives[0].texture.tile / width)
    assert np.abs(picture[:, :tile].astype(float) - picture[:, tile : 2 * tile]).mean() < 10


@pytest.mark.skipif(shutil.which("ign") is None, reason="needs ignition-tools and libsdformat-dev")
@pytest.mark.parametrize("shipped", ["", "office.sdf", "robot.sdf"])
def test_sdformat_accepts_the_file(sdf, root, shipped):
    path = root / "launch" / "worlds" / shipped if shipped else sdf
    answer = subprocess.run(
        ["ign", "sdf", "--check", path], capture_output=True, text=True, timeout=60
    )
    assert "Valid" in answer.stdout and answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    "text",
    ["", "<sdf", "<sdf version='1.9'><world name='w'/></sdf>", "<sdf><model name='m'/></sdf>"],
)
def test_a_file_that_is_no_world_of_ours_is_refused_by_name(tmp_path, text):
    path = tmp_path / "foreign.sdf"
    path.write_text(text)
    with pytest.raises(WorldError, match="foreign.sdf"):
        World.from_sdf(path)


def test_the_shipped_world_is_whole_and_small(root):
    folder = root / "launch" / "worlds"
    world, maps = (
        World.from_sdf(folder / "office.sdf"),
        {element.text for element in ET.parse(folder / "office.sdf").iter("albedo_map")},
    )
    assert len(world.rooms) == 2
    assert {f"textures/{path.name}" for path in (folder / "textures").iterdir()} == maps
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1_500_000


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(WorldError, match="absent.sdf"):
        World.from_sdf(tmp_path / "absent.sdf")


def test_a_world_folder_holds_cloud_mapping_run_drive_and_sdf(tmp_path):
    world = World.office(2, rooms=1)
    write_world(world, tmp_path, seed=3, camera=SMALL, mapping_frames=12, drive_frames=5)
    mapping, drive = read_sequence(tmp_path / "mapping"), read_sequence(tmp_path / "drive")
    assert (len(mapping), len(drive)) == (12, 5)
    assert (drive.camera.width, drive.camera.height) == (80, 60)
    assert len(read_cloud(tmp_path / "cloud.ply")) > 20_000
    assert World.from_sdf(tmp_path / "world.sdf") == world


def test_mapping_images_that_nobody_asked_for_are_not_rendered(tmp_path):
    write_world(
        World.office(2, rooms=1),
        tmp_path,
        seed=3,
        camera=SMALL,
        mapping_frames=12,
        drive_frames=2,
        mapping_images=False,
    )
    assert len(read_cloud(tmp_path / "cloud.ply")) > 20_000 and not (tmp_path / "mapping").exists()


def test_written_frames_are_the_rendered_ones(tmp_path):
    world = World.office(2, rooms=1)
    write_world(world, tmp_path, seed=3, camera=SMALL, mapping_frames=3, drive_frames=2)
    frame = read_sequence(tmp_path / "mapping").frames[1]
    images, depths = world.render(SMALL, frame.T_map_camera)
    assert np.abs(frame.image().astype(float) - images[0]).mean() < 8  # JPEG
    assert np.median(np.abs(frame.depth() - depths[0])) < 2e-3
