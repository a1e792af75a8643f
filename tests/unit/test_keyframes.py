# SPDX-License-Identifier: Apache-2.0
"""Posed images of the mapping run: they add to how a map looks, and give a bare cloud its looks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from diff2i2p.cloud import write_cloud
from diff2i2p.config import Config
from diff2i2p.datasets.sequences import write_sequence
from diff2i2p.geometry import pose_error
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.compiled_map import MapError
from diff2i2p.mapping.keyframes import Photograph, keyframes, painted
from diff2i2p.parameters import override

FEW = override(Config(), {"matcher": "appearance", "appearance": {"spacing": 4.0, "headings": 4}})
UP = np.array([0, 0, 1.0])


@pytest.fixture(scope="module")
def mapping(corner, looking, photograph, eye) -> list[Photograph]:
    """Photographs of the corner from two places, several ways."""
    poses = [
        looking(place, heading)
        for place in ((1.0, 1.2, 1.0), (2.0, 2.0, 1.3))
        for heading in (10, 35, 60, 85)
    ]
    images = [photograph(corner, T) for T in poses]
    return [
        Photograph(lambda image=image: image, eye, T)
        for image, T in zip(images, poses, strict=True)
    ]


@pytest.fixture
def query(corner, looking, photograph):
    """An image from where no photograph was taken, and its true pose."""
    T = looking((1.4, 1.7, 1.1), 47)
    return photograph(corner, T), T


def test_photographs_from_one_place_the_same_way_are_taken_once(mapping):
    assert keyframes(mapping) == mapping
    nudged = [p._replace(T_map_camera=p.T_map_camera + 0.05 * np.eye(4, k=3)) for p in mapping]
    assert keyframes([*mapping, *nudged]) == mapping


def test_a_map_compiled_with_photographs_is_matched_by_them_too(
    corner, mapping, query, eye, tmp_path
):
    site = compile_map(corner, tmp_path / "corner.i2pmap", config=FEW, up=UP, photographs=mapping)
    assert len(site.photographs["starts"]) == len(mapping) + 1 and site.photographs["grain"] == 0
    localizer = Localizer.open(tmp_path / "corner.i2pmap", config=FEW)
    assert len(localizer.matchers) == 2
    localizer.matchers = localizer.matchers[:1]  # the photographs alone
    answer = localizer.localize(query[0], eye)
    assert answer.ok and pose_error(query[1], answer.T_map_camera)[0] < 0.03


def test_a_bare_cloud_takes_the_colour_of_its_photographs(corner, mapping, query, eye, tmp_path):
    bare = replace(corner, colours=None, intensity=None)
    coloured = painted(bare, mapping, FEW)
    original = corner.grey[cKDTree(corner.points).query(coloured.points)[1]]
    assert np.corrcoef(coloured.grey, original)[0, 1] > 0.5
    site = compile_map(bare, tmp_path / "bare.i2pmap", config=FEW, up=UP, photographs=mapping)
    assert site.header["colour"] and site.grey is not None
    answer = Localizer.open(tmp_path / "bare.i2pmap", config=FEW).localize(query[0], eye)
    assert answer.ok and pose_error(query[1], answer.T_map_camera)[0] < 0.05


def test_photographs_of_another_place_are_refused(corner, mapping, tmp_path):
    elsewhere = [p._replace(T_map_camera=p.T_map_camera + 500 * np.eye(4, k=3)) for p in mapping]
    with pytest.raises(MapError, match="show nothing of the cloud: give them poses"):
        compile_map(corner, tmp_path / "corner.i2pmap", config=FEW, up=UP, photographs=elsewhere)
    assert not (tmp_path / "corner.i2pmap").exists()


def test_the_command_compiles_with_a_sequence_and_says_when_it_has_no_poses(
    corner, mapping, eye, diff2i2p, tmp_path
):
    write_cloud(tmp_path / "corner.ply", corner)
    images, poses = [p.read() for p in mapping], np.array([p.T_map_camera for p in mapping])
    write_sequence(tmp_path / "run", eye, images, np.arange(len(mapping), dtype=float), poses)
    (tmp_path / "few.yaml").write_text("appearance: {spacing: 4.0, headings: 4}")
    command = [
        "compile-map",
        tmp_path / "corner.ply",
        "-o",
        tmp_path / "c.i2pmap",
        "--up",
        "z",
        "--config",
        tmp_path / "few.yaml",
    ]
    command += ["--sequence", tmp_path / "run"]
    code, said, _ = diff2i2p(*command)
    assert code == 0 and "c.i2pmap" in said
    assert len(Localizer.open(tmp_path / "c.i2pmap").matchers) == 3  # and the network
    code, _, complaint = diff2i2p(*command, "--no-colour")
    assert code == 2 and "leave one of them out" in " ".join(complaint.split())
    (tmp_path / "run" / "groundtruth.txt").unlink()
    code, _, complaint = diff2i2p(*command)
    assert code == 2 and "has a pose" in " ".join(complaint.split())
