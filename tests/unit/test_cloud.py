# SPDX-License-Identifier: Apache-2.0
"""Clouds of any tool come in whole, with their looks, or are refused with a reason."""

import resource
import time

import numpy as np
import pytest

from diff2i2p.cloud import CloudError, PointCloud, axis_up, find_up, read_cloud, write_cloud


@pytest.fixture
def cloud() -> PointCloud:
    rng = np.random.default_rng(0)
    points = rng.uniform(-5, 5, (500, 3)).astype(np.float32)
    return PointCloud(
        points,
        rng.integers(0, 256, (500, 3), dtype=np.uint8),
        rng.uniform(0, 1, 500).astype(np.float32),
    )


def assert_same(a: PointCloud, b: PointCloud, atol=0.0):
    np.testing.assert_allclose(a.points, b.points, atol=atol)
    np.testing.assert_array_equal(a.colours, b.colours)
    assert (a.intensity is None) == (b.intensity is None)
    if a.intensity is not None:
        np.testing.assert_allclose(a.intensity, b.intensity, atol=atol)


@pytest.mark.parametrize("name", ["a.ply", "a.pcd"])
def test_what_is_written_is_read_back(tmp_path, cloud, name):
    write_cloud(tmp_path / name, cloud)
    assert_same(read_cloud(tmp_path / name), cloud)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.ply", "a.pcd"])
def test_other_tools_read_what_is_written(tmp_path, cloud, name):
    o3d = pytest.importorskip("open3d")
    write_cloud(tmp_path / name, cloud)
    theirs = o3d.t.io.read_point_cloud(str(tmp_path / name)).point
    np.testing.assert_array_equal(theirs.positions.numpy(), cloud.points)
    np.testing.assert_array_equal(theirs.colors.numpy(), cloud.colours)


@pytest.mark.parametrize("name", ["a.ply", "a.pcd"])
@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_what_open3d_writes_is_read(tmp_path, cloud, name, ascii, compressed):
    o3d = pytest.importorskip("open3d")
    theirs = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(cloud.points))
    theirs.colors = o3d.utility.Vector3dVector(cloud.colours / 255)
    o3d.io.write_point_cloud(str(tmp_path / name), theirs, write_ascii=ascii, compressed=compressed)
    assert_same(read_cloud(tmp_path / name), PointCloud(cloud.points, cloud.colours), atol=1e-5)


def test_las_gives_metres_colour_and_intensity(tmp_path, cloud):
    write_las(tmp_path / "a.las", cloud)
    found = read_cloud(tmp_path / "a.las")
    np.testing.assert_allclose(found.points, cloud.points, atol=1e-3)
    np.testing.assert_array_equal(found.colours, cloud.colours)
    np.testing.assert_allclose(
        found.intensity, cloud.intensity / np.percentile(cloud.intensity, 99.5), atol=0.02
    )


def test_laz_is_read_where_a_decompressor_is_installed(tmp_path, cloud):
    pytest.importorskip("lazrs")
    write_las(tmp_path / "a.laz", cloud)
    np.testing.assert_array_equal(read_cloud(tmp_path / "a.laz").colours, cloud.colours)
    (tmp_path / "a.laz").write_bytes((tmp_path / "a.laz").read_bytes()[:-500])
    with pytest.raises(CloudError, match="truncated"):
        read_cloud(tmp_path / "a.laz")


@pytest.mark.parametrize(
    "text, colours, intensity",
    [
        ("1 2 3\n4 5 6\n", None, None),
        ("1 2 3 0.25\n4 5 6 1.0\n", None, [0.25, 1.0]),
        ("1,2,3,10,20,30\r\n4,5,6,40,50,60\r\n", [[10, 20, 30], [40, 50, 60]], None),
        ("x;y;z;Intensity\n1;2;3;51\n4;5;6;255\n", None, [0.2, 1.0]),
        ("//X Y Z R G B\n1 2 3 10 20 30\n4 5 6 40 50 60\n", [[10, 20, 30], [40, 50, 60]], None),
        ("2\n1 2 3 0.5 10 20 30\n4 5 6 1.0 40 50 60\n", [[10, 20, 30], [40, 50, 60]], [0.5, 1.0]),
        ("1 2 3 0 0 -1\n4 5 6 0 1 0\n", None, None),  # normals
    ],
)
def test_text_tables_of_many_makes_are_understood(tmp_path, text, colours, intensity):
    (tmp_path / "a.xyz").write_text(text)
    found = read_cloud(tmp_path / "a.xyz")
    np.testing.assert_array_equal(found.points, [[1, 2, 3], [4, 5, 6]])
    assert (None if found.colours is None else found.colours.tolist()) == colours
    assert intensity is None and found.intensity is None or np.allclose(found.intensity, intensity)


def test_a_ply_of_doubles_and_a_mesh_with_faces_are_read(tmp_path):
    header = "ply\nformat ascii 1.0\ncomment by hand\nelement vertex 3\nproperty double x\nproperty double y\nproperty double z\n"
    (tmp_path / "a.ply").write_text(
        header
        + "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    )
    np.testing.assert_array_equal(
        read_cloud(tmp_path / "a.ply").points, [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    )


def test_rows_with_nan_are_dropped_with_their_looks(tmp_path, cloud):
    holed = PointCloud(cloud.points.copy(), cloud.colours, cloud.intensity)
    holed.points[::2, 1] = np.nan
    write_cloud(tmp_path / "a.pcd", holed)
    assert_same(read_cloud(tmp_path / "a.pcd"), cloud[1::2])


def write_las(path, cloud):
    laspy = pytest.importorskip("laspy")
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales = [0.001] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = cloud.points.T.astype(float)
    las.red, las.green, las.blue = cloud.colours.T.astype(np.uint16) * 257
    las.intensity = (cloud.intensity * 65535).astype(np.uint16)
    las.write(path)


def test_files_that_are_no_clouds_are_refused_with_a_reason(tmp_path):
    (tmp_path / "empty.ply").write_bytes(b"")
    (tmp_path / "photo.ply").write_bytes(b"\xff\xd8\xff\xe0" * 100)
    (tmp_path / "notes.txt").write_text("buy milk\nand bread\n")
    (tmp_path / "cloud.e57").write_bytes(b"ASTM-E57")
    for name, said in [
        ("nowhere.pcd", "there is no cloud"),
        (".", "is a folder"),
        ("empty.ply", "is empty"),
        ("photo.ply", "is no PLY file"),
        ("notes.txt", "is no table of numbers"),
        ("cloud.e57", "export the cloud as .ply"),
    ]:
        with pytest.raises(CloudError, match=said):
            read_cloud(tmp_path / name)


@pytest.mark.parametrize("name", ["a.ply", "a.pcd", "a.xyz"])
def test_clouds_without_a_single_point_are_refused(tmp_path, name):
    nothing = PointCloud(np.full((4, 3), np.nan, np.float32))
    for cloud in (nothing, nothing[:0]):
        if name == "a.xyz":
            np.savetxt(tmp_path / name, cloud.points)
        else:
            write_cloud(tmp_path / name, cloud)
        with pytest.raises(CloudError, match="no point with finite coordinates|is empty"):
            read_cloud(tmp_path / name)


@pytest.mark.parametrize("name", ["a.ply", "a.pcd", "a.las"])
def test_truncated_clouds_are_refused(tmp_path, cloud, name):
    write_las(tmp_path / name, cloud) if name == "a.las" else write_cloud(tmp_path / name, cloud)
    whole = (tmp_path / name).read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 100, 20):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(CloudError, match="truncated|cut off"):
            read_cloud(tmp_path / name)


def test_a_header_that_promises_terabytes_costs_nothing(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ply = "ply\nformat {}\nelement vertex 900000000000\nproperty float x\nproperty float y\nproperty float z\nend_header\n1 2 3\n"
    pcd = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nPOINTS 900000000000\nDATA {}\n1 2 3\n"
    for name, text in [
        ("a.ply", ply.format(f)) for f in ("ascii 1.0", "binary_little_endian 1.0")
    ] + [("a.pcd", pcd.format(f)) for f in ("ascii", "binary", "binary_compressed")]:
        (tmp_path / name).write_text(text)
        with pytest.raises(CloudError, match="truncated"):
            read_cloud(tmp_path / name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    "kind", ["a.ply", "a.pcd", "ascii.ply", "ascii.pcd", "compressed.pcd", "a.las", "a.xyz"]
)
def test_damaged_files_never_do_worse_than_a_cloud_error(tmp_path, cloud, kind):
    rng = np.random.default_rng(1)
    whole = np.frombuffer(sample_file(tmp_path / kind, cloud[:40]), np.uint8)
    for _ in range(150):
        damaged = whole.copy()
        places = rng.integers(
            0, min(len(whole), rng.choice([200, len(whole)])), rng.integers(1, 12)
        )
        damaged[places] = rng.integers(0, 256, len(places))
        (tmp_path / kind).write_bytes(
            damaged[: rng.integers(1, len(whole)) if rng.random() < 0.3 else None].tobytes()
        )
        try:
            assert np.isfinite(read_cloud(tmp_path / kind).points).all()
        except CloudError as error:
            assert str(tmp_path) in str(error)


def sample_file(path, cloud) -> bytes:
    if path.suffix == ".las":
        write_las(path, cloud)
    elif path.suffix == ".xyz":
        np.savetxt(path, np.hstack([cloud.points, cloud.colours]), fmt="%.3f")
    elif path.stem == "a":
        write_cloud(path, cloud)
    else:
        o3d = pytest.importorskip("open3d")
        theirs = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(cloud.points))
        o3d.io.write_point_cloud(
            str(path),
            theirs,
            write_ascii=path.stem == "ascii",
            compressed=path.stem == "compressed",
        )
    return path.read_bytes()


def test_one_point_is_left_per_voxel_at_the_mean_of_what_lay_in_it():
    points = np.array([[0.1, 0.1, 0.1], [0.3, 0.1, 0.1], [2.1, 0.1, 0.1]], np.float32)
    thin = PointCloud(
        points,
        np.array([[0, 0, 0], [100, 200, 50], [9, 9, 9]], np.uint8),
        np.array([0, 1, 0.5], np.float32),
    ).voxel_downsample(1.0)
    np.testing.assert_allclose(thin.points, [[0.2, 0.1, 0.1], [2.1, 0.1, 0.1]], atol=1e-6)
    np.testing.assert_array_equal(thin.colours, [[50, 100, 25], [9, 9, 9]])
    np.testing.assert_allclose(thin.intensity, [0.5, 0.5])


def test_five_million_points_are_thinned_in_less_time_than_they_are_sorted():
    rng = np.random.default_rng(0)
    points = rng.random((5_000_000, 3), dtype=np.float32) * np.float32([50, 30, 3])
    started = time.process_time()
    thin = PointCloud(points).voxel_downsample(0.5)
    taken = time.process_time() - started
    assert len(thin) == 100 * 60 * 6
    started = time.process_time()
    np.lexsort(points.T)
    assert taken < time.process_time() - started  # a third of it; both on one core of this machine


def test_a_voxel_too_small_for_the_cloud_is_refused():
    with pytest.raises(CloudError, match="larger voxels"):
        PointCloud(np.array([[0, 0, 0], [60000, 0, 0]], np.float32)).voxel_downsample(0.001)


def test_cropping_and_moving_take_the_looks_along(cloud):
    T = np.eye(4)
    T[:3, 3] = 1, 2, 3
    part = cloud.crop((0, 0, 0), (5, 5, 5)).transformed(T)
    inside = (cloud.points >= 0).all(1)
    assert_same(
        part,
        PointCloud(
            cloud.points[inside] + np.float32([1, 2, 3]),
            cloud.colours[inside],
            cloud.intensity[inside],
        ),
    )


def test_grey_is_colour_before_intensity(cloud):
    assert np.allclose(
        PointCloud(
            cloud.points[:1], np.array([[255, 255, 255]], np.uint8), cloud.intensity[:1]
        ).grey,
        1.0,
    )
    assert PointCloud(cloud.points, None, cloud.intensity).grey is cloud.intensity
    assert PointCloud(cloud.points).grey is None


@pytest.mark.parametrize(
    "name, axis, degrees",
    [("kitchen/map_0000-0499.ply", "-y", 30), ("tum_fr1_rpy/map_0000-0359.ply", "z", 5)],
)
def test_up_is_found_in_real_rooms(shared_data, name, axis, degrees):
    assert find_up(read_cloud(shared_data / name)) @ axis_up(axis) > np.cos(np.radians(degrees))


def room(rng, width, depth, height) -> np.ndarray:
    """Floor, ceiling, four walls and a table."""

    def face(n, low, high):
        return rng.uniform(low, high, (int(n), 3))

    w, d, h = width, depth, height
    faces = [face(400 * w * d, (0, 0, z), (w, d, z)) for z in (0, h)]
    faces += [face(400 * w * h, (0, y, 0), (w, y, h)) for y in (0, d)] + [
        face(400 * d * h, (x, 0, 0), (x, d, h)) for x in (0, w)
    ]
    faces += [face(800, (0.2, 0.2, 0.8), (1.6, 1.6, 0.8))]
    return np.concatenate(faces) + rng.normal(0, 0.002, (sum(map(len, faces)), 3))


@pytest.mark.parametrize("size", [(6, 5, 2.5), (12, 2, 2.6)])
def test_up_is_found_in_rooms_and_corridors_however_turned(size):
    from scipy.spatial.transform import Rotation

    points = room(np.random.default_rng(0), *size)
    for turn in (Rotation.identity(), Rotation.from_euler("z", 33, degrees=True)):
        assert find_up(PointCloud(turn.apply(points).astype(np.float32))) @ (0, 0, 1) > 0.999


def test_up_is_found_in_buildings_far_from_each_other():
    rng = np.random.default_rng(0)
    points = np.concatenate([room(rng, 4, 3, 2.5), room(rng, 5, 4, 2.5) + (300, 100, 0)])
    assert find_up(PointCloud(points.astype(np.float32))) @ (0, 0, 1) > 0.999


def test_a_shapeless_cloud_has_no_up():
    with pytest.raises(CloudError, match="--up z"):
        find_up(PointCloud(np.zeros((5, 3), np.float32)))


def test_axes_have_names():
    np.testing.assert_array_equal(axis_up("-y"), (0, -1, 0))
    with pytest.raises(CloudError, match="one of x, y, z"):
        axis_up("north")
