# SPDX-License-Identifier: Apache-2.0
"""A map in the coordinates of a country: the same poses as in its own, to a millimetre."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.cloud import PointCloud, read_cloud, write_cloud
from diff2i2p.config import Config, override
from diff2i2p.datasets.sequences import write_sequence
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.compiled_map import CompiledMap, MapError

UTM = np.array([500_000.0, 4_000_000.0, 0.0])
FEW = override(Config(), {"matcher": "appearance", "appearance": {"spacing": 1.5, "headings": 8}})
UP = np.array([0, 0, 1.0])


@pytest.fixture(scope="module")
def queries(corner, looking, photograph):
    """Three images of the corner, with their poses in its own coordinates."""
    poses = [
        looking(place, turn)
        for place, turn in (((1, 1, 1), 40), ((1.5, 1, 1.2), 55), ((1, 2, 1), 30))
    ]
    return [(photograph(corner, T), T) for T in poses]


@pytest.fixture(scope="module")
def far(corner, tmp_path_factory):
    """The corner in UTM, as a file of doubles and as a map."""
    folder = tmp_path_factory.mktemp("utm")
    write_cloud(folder / "utm.ply", replace(corner, origin=tuple(UTM)))
    cloud = read_cloud(folder / "utm.ply")
    compile_map(cloud, folder / "utm.i2pmap", config=FEW, up=UP)
    return folder


def test_poses_in_utm_are_those_of_the_corner_to_a_millimetre(far, corner_localizer, queries, eye):
    localizer = Localizer.open(far / "utm.i2pmap", config=FEW)
    for image, T in queries:
        near, moved = (one.localize(image, eye) for one in (corner_localizer, localizer))
        assert near.ok and moved.ok
        assert np.abs(moved.T_map_camera[:3, 3] - UTM - near.T_map_camera[:3, 3]).max() < 1e-3
        turn = near.T_map_camera[:3, :3].T @ moved.T_map_camera[:3, :3]
        assert np.degrees(Rotation.from_matrix(turn).magnitude()) < 0.02
        assert np.abs(moved.T_map_camera[:3, 3] - UTM - T[:3, 3]).max() < 0.05
        points = moved.correspondences.points[moved.inliers] - UTM
        assert (points > -0.1).all() and (points < 4.2).all()


def test_an_expected_pose_in_utm_narrows_the_search(far, queries, eye):
    localizer = Localizer.open(far / "utm.i2pmap", config=FEW)
    image, T = queries[0]
    prior = T.copy()
    prior[:3, 3] += UTM + 0.05
    answer = localizer.localize(image, eye, prior)
    assert answer.ok and answer.matcher == "tracks"
    assert np.abs(answer.T_map_camera[:3, 3] - UTM - T[:3, 3]).max() < 0.02


def test_the_map_keeps_its_origin_in_double_precision_and_its_points_relative_to_it(far):
    site = CompiledMap.open(far / "utm.i2pmap")
    assert site.header["origin"] == [500_000.0, 4_000_000.0, 0.0]
    assert np.abs(site.tensors["points"].numpy()).max() < 5 and site.points.dtype == np.float64
    low, high = site.points.min(0) - UTM, site.points.max(0) - UTM
    assert np.abs(low).max() < 0.1 and np.abs(high - (4, 4, 2.5)).max() < 0.1


@pytest.mark.parametrize("origin", [[1.0, 2.0], "here", [1.0, 2.0, None], [1.0, 2.0, float("inf")]])
def test_an_origin_that_is_no_place_is_refused(far, tmp_path, origin):
    site = CompiledMap.open(far / "utm.i2pmap")
    CompiledMap(tmp_path / "bad.i2pmap", site.header | {"origin": origin}, site.tensors).save()
    with pytest.raises(MapError, match="'origin' in its header is no place"):
        CompiledMap.open(tmp_path / "bad.i2pmap")


def test_an_evaluation_in_utm_is_that_of_the_corner(far, queries, eye, diff2i2p, tmp_path):
    poses = np.array([T for _, T in queries])
    poses[:, :3, 3] += UTM
    write_sequence(tmp_path / "run", eye, [image for image, _ in queries], [1.0, 2.0, 3.0], poses)
    command = ("evaluate", "--map", far / "utm.i2pmap", "--sequence", tmp_path / "run")
    code, out, err = diff2i2p(
        *command, "--out", tmp_path / "out", "--matcher", "appearance", "--json"
    )
    assert code == 0, err
    metrics = json.loads(out)
    assert metrics["recall"]["5cm_5deg"] == 1 and metrics["recall"]["rmse_10cm"] == 1
    assert metrics["inlier_ratio"] > 0.3
    estimate = np.loadtxt(tmp_path / "out/estimate.tum")
    assert np.abs(estimate[:, 1:4] - poses[:, :3, 3]).max() < 0.05


def test_photographs_of_a_mapping_run_in_utm_show_the_map(far, queries, eye, tmp_path):
    from diff2i2p.mapping.keyframes import Photograph

    cloud = read_cloud(far / "utm.ply")
    bare = PointCloud(cloud.points, origin=cloud.origin)
    posed = [Photograph(lambda image=i: image, eye, T).moved(UTM) for i, T in queries]
    site = compile_map(bare, tmp_path / "bare.i2pmap", config=FEW, up=UP, photographs=posed)
    assert site.header["origin"] == list(cloud.origin) and len(site.photographs["points"]) > 50
