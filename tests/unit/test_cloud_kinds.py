# SPDX-License-Identifier: Apache-2.0
"""Clouds as people have them: columns, units, intensity, strays and origins of many tools."""

import struct

import numpy as np
import pytest

from diff2i2p.cloud import CloudError, PointCloud, read_cloud, write_cloud

SHADES = np.random.default_rng(5).uniform(0, 1, 2000) ** 2  # most of them dark, as in a room


def room(count: int = 2000, size: float = 4.0) -> np.ndarray:
    """Points (N, 3) float64 of a floor and a wall."""
    rng = np.random.default_rng(1)
    points = rng.uniform(0, size, (count, 3))
    points[::2, 2], points[1::2, 0] = 0, 0
    return points


def write_ply(path, columns: dict) -> None:
    """A binary PLY with these columns (N,)."""
    kinds = {"f4": "float", "f8": "double", "u1": "uchar", "u2": "ushort"}
    fields = [(name, values.dtype.str.replace("|", "<")) for name, values in columns.items()]
    records = np.empty(len(columns["x"]), fields)
    for name, values in columns.items():
        records[name] = values
    names = "".join(f"property {kinds[kind[1:]]} {name}\n" for name, kind in fields)
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(records)}\n"
    path.write_bytes(f"{head}{names}end_header\n".encode() + records.tobytes())


def xyz(points: np.ndarray, kind: str = "f4") -> dict:
    return dict(zip("xyz", points.T.astype(kind), strict=True))


# --- columns of text


@pytest.mark.parametrize(
    "name, text, colour, intensity_of_the_second",
    [
        ("head.asc", "//X Y Z R G B Intensity\n2\n1 2 3 77 71 72 37\n4 5 6 10 20 30 90\n", 77, 1),
        ("head.txt", "x y z intensity r g b\n1 2 3 37 77 71 72\n4 5 6 90 10 20 30\n", 77, 1),
        ("last.xyz", "1 2 3 77 71 72 37\n4 5 6 10 20 30 90\n", 77, 1),
        ("last.asc", "1 2 3 77 71 72 900\n4 5 6 10 20 30 300\n", 77, 0),
        ("first.xyz", "1 2 3 0.25 77 71 72\n4 5 6 0.75 10 20 30\n", 77, 1),
        ("leica.pts", "2\n1 2 3 37 77 71 72\n4 5 6 90 10 20 30\n", 77, 1),
        ("leica.pts", "2\n1 2 3 -1200 77 71 72\n4 5 6 90 10 20 30\n", 77, 1),
    ],
)
def test_intensity_and_colour_of_text_are_told_by_heading_or_value(
    tmp_path, name, text, colour, intensity_of_the_second
):
    (tmp_path / name).write_text(text)
    cloud = read_cloud(tmp_path / name)
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3], [4, 5, 6]])
    assert cloud.colours[0].tolist() == [colour, 71, 72] and cloud.colours[1, 2] == 30
    assert (cloud.intensity[1] > cloud.intensity[0]) == intensity_of_the_second


# --- intensity


def reflectors(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[::900] = 255
    return values


@pytest.mark.parametrize(
    "name, values",
    [
        ("intensity", reflectors((31 * SHADES).round())),
        ("intensity", np.append(SHADES[:-1], 1.02)),
        ("intensity", 2048 + 255 * SHADES),
        ("intensity", 4095 * SHADES),
        ("intensity", 65535 * SHADES),
        ("scalar_Reflectance", 28 * SHADES - 25),
        ("reflectivity", reflectors(100 * SHADES)),
        ("intensity", np.append(SHADES[:-1], np.nan)),
    ],
    ids=["0-31", "1.02", "2048-2303", "12 bits", "16 bits", "dB", "0-100", "NaN"],
)
def test_intensity_of_any_range_fills_what_an_image_can_show(tmp_path, name, values):
    write_ply(tmp_path / "a.ply", xyz(room()) | {name: values.astype("f4")})
    found = read_cloud(tmp_path / "a.ply").intensity
    usual = np.isfinite(values) & (values < np.nanpercentile(values, 97))
    assert np.corrcoef(found[usual], SHADES[usual])[0, 1] > 0.99
    dark, bright = np.percentile(found, (5, 95))
    assert dark < 0.1 and bright > 0.8 and found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("scale", [1, 255, 65535])
def test_intensity_that_fills_a_usual_range_is_kept_as_it_is(tmp_path, scale):
    values = np.linspace(0.1, 0.95, 2000)
    write_ply(tmp_path / "a.ply", xyz(room()) | {"intensity": (scale * values).astype("f4")})
    np.testing.assert_allclose(read_cloud(tmp_path / "a.ply").intensity, values, atol=1e-5)


def test_intensity_that_is_the_same_everywhere_is_none(tmp_path):
    write_ply(tmp_path / "a.ply", xyz(room()) | {"intensity": np.full(2000, 37, "f4")})
    assert read_cloud(tmp_path / "a.ply").intensity is None


# --- colours


@pytest.mark.parametrize("flat", [(255, 255, 255), (128, 128, 128), (0, 90, 200)])
def test_one_flat_colour_gives_way_to_an_intensity_that_says_something(tmp_path, flat):
    colours = {
        n: np.full(2000, v, "u1") for n, v in zip(("red", "green", "blue"), flat, strict=True)
    }
    looks = colours | {"intensity": (255 * SHADES).astype("f4")}
    write_ply(tmp_path / "a.ply", xyz(room()) | looks)
    cloud = read_cloud(tmp_path / "a.ply")
    assert cloud.colours is None and np.std(cloud.grey) > 0.2
    assert "one colour" in cloud.remarks[0] and "its intensity is used" in cloud.remarks[0]
    write_ply(tmp_path / "b.ply", xyz(room()) | colours)
    assert read_cloud(tmp_path / "b.ply").grey is None


def test_a_splat_file_gives_its_colours_or_says_that_it_has_none(tmp_path):
    scales = {f"scale_{n}": np.zeros(2000, "f4") for n in range(3)}
    bright = ((SHADES - 0.5) / 0.28209479).astype("f4")
    splats = xyz(room()) | scales
    write_ply(tmp_path / "a.ply", splats | {f"f_dc_{n}": bright for n in range(3)})
    np.testing.assert_allclose(read_cloud(tmp_path / "a.ply").grey, SHADES, atol=0.01)
    write_ply(tmp_path / "b.ply", splats)
    bare = read_cloud(tmp_path / "b.ply")
    assert bare.grey is None and "splat file without colours" in bare.remarks[0]


# --- what does not belong to it


def test_stray_points_far_off_are_left_out_and_told(tmp_path):
    points = room()
    points[[3, 70]] = (1e6, 0, 0), (0, -4e5, 30)
    colours = {name: (255 * SHADES).astype("u1") for name in ("red", "green", "blue")}
    write_ply(tmp_path / "a.ply", xyz(points) | colours)
    cloud = read_cloud(tmp_path / "a.ply")
    assert len(cloud) == 1998 == len(cloud.colours) and np.ptp(cloud.points, axis=0).max() <= 4
    assert cloud.remarks == ("2 stray points, up to 999998 away, are left out",)


def las(path, points, classes, records: bytes = b"", form: int = 1) -> None:
    """LAS 1.4 with points (N, 3), classes (N,) and one record of its head, (id, content)."""
    size = {1: 28, 6: 30}[form]
    head = bytearray(375)
    head[:4], head[24:26] = b"LASF", bytes((1, 4))
    count, start = len(points), 375 + len(records)
    struct.pack_into("<HIIBHI", head, 94, 375, start, int(bool(records)), form, size, count)
    struct.pack_into("<3d3d", head, 131, *[0.001] * 3, *[0.0] * 3)
    fields = {"names": ["xyz", "i", "flags", "class"], "formats": ["(3,)<i4", "<u2", "u1", "u1"]}
    layout = fields | {"offsets": [0, 12, 14, 15 if form < 6 else 16], "itemsize": size}
    data = np.zeros(count, layout)
    data["xyz"], data["i"], data["class"] = np.rint(points * 1000), 60000 * SHADES[:count], classes
    path.write_bytes(bytes(head) + records + data.tobytes())


@pytest.mark.parametrize("form", [1, 6])
def test_noise_classes_of_las_are_left_out(tmp_path, form):
    points, classes = room(), np.full(2000, 2)
    points[::100] += (0, 0, 30)
    classes[::100] = np.where(np.arange(20) % 2, 7, 18)
    las(tmp_path / "a.las", points, classes, form=form)
    cloud = read_cloud(tmp_path / "a.las")
    assert len(cloud) == 1980 and cloud.points[:, 2].max() <= 4
    assert cloud.remarks == ("20 points classified as noise are left out",)


def test_withheld_points_of_las_are_left_out(tmp_path):
    las(tmp_path / "a.las", room(), np.where(np.arange(2000) < 5, 0x82, 2))
    assert len(read_cloud(tmp_path / "a.las")) == 1995


# --- units


@pytest.mark.parametrize("unit, metres, said", [("mm", 0.001, "millimetres"), ("cm", 0.01, "cent")])
def test_a_cloud_in_other_units_is_asked_about_and_read_when_they_are_said(
    tmp_path, unit, metres, said
):
    write_ply(tmp_path / "a.ply", xyz(room() / metres))
    with pytest.raises(CloudError, match=f"are these {said}.*--unit mm .*--unit m if"):
        read_cloud(tmp_path / "a.ply")
    np.testing.assert_allclose(read_cloud(tmp_path / "a.ply", unit).points, room(), atol=1e-4)
    assert np.ptp(read_cloud(tmp_path / "a.ply", "m").points) > 100


def test_a_unit_that_is_none_is_refused(tmp_path):
    write_ply(tmp_path / "a.ply", xyz(room()))
    with pytest.raises(CloudError, match="the unit is one of m, cm, mm, ft"):
        read_cloud(tmp_path / "a.ply", "furlong")


def vlr(number: int, content: bytes) -> bytes:
    return struct.pack("<2x16sHH32s", b"LASF_Projection", number, len(content), b"") + content


@pytest.mark.parametrize(
    "record, metres",
    [
        (vlr(34735, struct.pack("<8H", 1, 1, 0, 1, 3076, 0, 1, 9002)), 0.3048),
        (vlr(34735, struct.pack("<8H", 1, 1, 0, 1, 3076, 0, 1, 9003)), 1200 / 3937),
        (vlr(34735, struct.pack("<8H", 1, 1, 0, 1, 3076, 0, 1, 9001)), 1.0),
        (vlr(2112, b'PROJCS["x",UNIT["US survey foot",0.304800609601219]]'), 1200 / 3937),
    ],
)
def test_a_las_file_in_feet_says_so_in_its_head(tmp_path, record, metres):
    las(tmp_path / "a.las", room() / metres, np.full(2000, 2), record)
    cloud = read_cloud(tmp_path / "a.las")
    np.testing.assert_allclose(cloud.points, room(), atol=1e-3)
    assert bool(cloud.remarks) == (metres != 1)


# --- where it lies

UTM = np.array([500_000.0, 4_000_000.0, 300.0])


@pytest.mark.parametrize("name", ["a.ply", "a.pcd", "a.las", "a.xyz"])
def test_georeferenced_clouds_keep_a_double_origin_and_their_millimetres(tmp_path, name):
    points = (room() + UTM).round(3)
    if name == "a.las":
        las(tmp_path / name, points[:, [0, 2, 2]], np.full(2000, 2))  # millimetres in 32 bits
        points = points[:, [0, 2, 2]]
    elif name == "a.xyz":
        np.savetxt(tmp_path / name, points, fmt="%.3f")
    else:
        write_cloud(tmp_path / name, PointCloud((points - UTM).astype("f4"), origin=tuple(UTM)))
    cloud = read_cloud(tmp_path / name)
    assert cloud.points.dtype == np.float32 and np.abs(cloud.points).max() < 1000
    assert cloud.origin[0] == 500_000
    np.testing.assert_allclose(cloud.points + np.array(cloud.origin), points, atol=2e-4)


def test_georeferenced_coordinates_in_single_precision_are_refused(tmp_path):
    write_ply(tmp_path / "a.ply", xyz(room() + UTM))
    with pytest.raises(CloudError, match="in single precision, in steps of 0.25 m: export it with"):
        read_cloud(tmp_path / "a.ply")


def test_a_cloud_that_is_moved_or_thinned_keeps_its_origin():
    cloud = PointCloud(room().astype("f4"), origin=tuple(UTM))
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], (1, 2, 3)
    moved = cloud.transformed(T)
    np.testing.assert_allclose(
        moved.points + np.array(moved.origin), (room() + UTM) @ T[:3, :3].T + T[:3, 3], atol=1e-3
    )
    assert cloud.voxel_downsample(0.5).origin == cloud[:5].origin == tuple(UTM)
