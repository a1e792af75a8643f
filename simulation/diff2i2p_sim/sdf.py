# SPDX-License-Identifier: Apache-2.0
"""Worlds as SDF 1.9 files for Gazebo, and back: geometry and JPEG textures for it, our own parameters in a namespace beside them."""

import math
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np

from diff2i2p_sim.description import Item, Light, Lighting, Primitive, Room, Texture
from diff2i2p_sim.rendering.faces import EMISSIVE
from diff2i2p_sim.textures.painter import bitmap

NAMESPACE = "urn:diff2i2p:sdf"
OURS = "{" + NAMESPACE + "}"
LARGEST = 1536  # pixels, longer sides of a repeated texture are made smaller
QUALITY = 85  # of the JPEGs
# of gz-sim 8: without them the world stands still, cameras see nothing, and no robot can be spawned
SYSTEMS = {
    "physics": "Physics",
    "sensors": "Sensors",
    "scene-broadcaster": "SceneBroadcaster",
    "user-commands": "UserCommands",
}
ET.register_namespace("diff2i2p", NAMESPACE)


class WorldError(ValueError):
    """A file that does not hold a world of ours."""


def write_sdf(
    path: Path,
    items: tuple[Item, ...],
    lights: tuple[Light, ...],
    rooms: tuple[Room, ...],
    lighting: Lighting,
) -> None:
    """Write the world, and its textures into the folder `textures` beside it."""
    textures = path.parent / "textures"
    textures.mkdir(parents=True, exist_ok=True)
    root = ET.Element("sdf", version="1.9")
    world = ET.SubElement(root, "world", name="diff2i2p")
    _write_systems(world)
    scene = ET.SubElement(world, "scene")
    _add(scene, "ambient", (0.35, 0.35, 0.35, 1))
    _add(scene, "background", (0.7, 0.8, 0.9, 1))
    ET.SubElement(world, OURS + "lighting", _attributes(lighting))
    for room in rooms:
        ET.SubElement(world, OURS + "room", _attributes(room))
    for k, light in enumerate(lights):
        _write_light(world, f"{light.kind}_light_{k}", light, lighting)
    for item in items:
        _write_item(world, item, textures)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="unicode", xml_declaration=True)


def read_sdf(path: Path) -> tuple[tuple[Item, ...], tuple[Light, ...], tuple[Room, ...], Lighting]:
    """What `write_sdf` wrote; models that others have added are left out. Raises WorldError naming the file."""
    try:
        world = ET.parse(path).getroot().find("world")
        lighting = _parse(Lighting, world.find(OURS + "lighting"))
        rooms = tuple(_parse(Room, room) for room in world.iterfind(OURS + "room"))
        lights = tuple(
            _parse(Light, light.find(OURS + "light")) for light in world.iterfind("light")
        )
        ours = (model for model in world.iterfind("model") if model.find(OURS + "item") is not None)
        return tuple(_read_item(model) for model in ours), lights, rooms, lighting
    except OSError as error:
        raise WorldError(f"cannot read the world {path}: {error.strerror}") from error
    except (ET.ParseError, AttributeError, KeyError, ValueError, TypeError) as error:
        raise WorldError(f"{path} is not a world that `diff2i2p world` wrote: {error}") from error


def _write_systems(world) -> None:
    physics = ET.SubElement(world, "physics", name="default", type="dart")
    _add(physics, "max_step_size", (0.004,))
    _add(physics, "real_time_factor", (1,))
    for library, name in SYSTEMS.items():
        plugin = ET.SubElement(
            world, "plugin", filename=f"gz-sim-{library}-system", name=f"gz::sim::systems::{name}"
        )
        if library == "sensors":
            _add(plugin, "render_engine", ("ogre2",))


def _write_light(world, name, light, lighting) -> None:
    element = ET.SubElement(
        world, "light", name=name, type="directional" if light.kind == "sun" else "point"
    )
    lamp = light.kind == "lamp"
    gain = 0.5 * light.intensity * (lighting.lamps if lamp else lighting.windows)
    colour = np.clip(
        np.array(lighting.lamp_colour if lamp else lighting.window_colour) * gain, 0, 1
    ).round(3)
    _add(element, "pose", (*light.position, 0, 0, 0))
    _add(element, "diffuse", (*colour.tolist(), 1))
    _add(element, "specular", (0.1, 0.1, 0.1, 1))
    _add(element, "cast_shadows", ("false",))
    if light.kind == "sun":
        _add(element, "direction", light.direction)
    attenuation = ET.SubElement(element, "attenuation")
    for key, value in (("range", 12), ("constant", 0.3), ("linear", 0.1), ("quadratic", 0.2)):
        _add(attenuation, key, (value,))
    ET.SubElement(element, OURS + "light", _attributes(light))


def _write_item(world, item, textures) -> None:
    model = ET.SubElement(world, "model", name=item.name)
    _add(model, "static", ("true",))
    ET.SubElement(model, OURS + "item", movable=str(item.movable).lower())
    link = ET.SubElement(model, "link", name="link")
    for k, primitive in enumerate(item.primitives):
        visual = ET.SubElement(link, "visual", name=f"visual_{k}")
        _write_shape(visual, primitive)
        _write_material(visual, primitive, textures)
        ground = primitive.shape == "plane" and primitive.pose[2] == 0
        if primitive.shape != "plane" or ground:
            _write_shape(ET.SubElement(link, "collision", name=f"collision_{k}"), primitive)


def _write_shape(parent, primitive) -> None:
    _add(parent, "pose", primitive.pose)
    shape = ET.SubElement(ET.SubElement(parent, "geometry"), primitive.shape)
    x, y, z = primitive.size
    if primitive.shape == "box":
        _add(shape, "size", (x, y, z))
    elif primitive.shape == "cylinder":
        _add(shape, "radius", (x / 2,))
        _add(shape, "length", (z,))
    else:
        _add(shape, "normal", (0, 0, 1))
        _add(shape, "size", (x, y))


def _write_material(visual, primitive, textures) -> None:
    texture = primitive.texture
    material = ET.SubElement(visual, "material")
    _add(material, "diffuse", (1, 1, 1, 1))
    if texture.kind in EMISSIVE:
        _add(material, "emissive", (*[min(EMISSIVE[texture.kind], 1)] * 3, 1))
    metal = ET.SubElement(ET.SubElement(material, "pbr"), "metal")
    name = write_texture(textures, texture, *sorted(primitive.size)[1:])
    _add(metal, "albedo_map", (f"textures/{name}",))
    _add(metal, "roughness", (0.8,))
    _add(metal, "metalness", (0,))
    ET.SubElement(visual, OURS + "texture", _attributes(texture))


def write_texture(folder: Path, texture: Texture, height: float, width: float) -> str:
    """Write the JPEG that covers a face of `width` x `height` metres when stretched over it, once; returns its name.

    Simulators stretch a texture over every face of a box; what repeats is repeated in the picture instead, for the largest face.
    """
    colour = "".join(f"{round(255 * channel):02x}" for channel in texture.colour)
    repeats = texture.tile and width > texture.tile
    name = f"{texture.kind}_{texture.seed}_{colour}{f'_{width:.2f}x{height:.2f}' if repeats else ''}.jpg"
    if not (folder / name).exists():
        pixels = bitmap(texture)
        if repeats:
            pixels = _repeated(pixels, width / texture.tile, height / texture.tile)
        cv2.imwrite(str(folder / name), pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return name


def _repeated(pixels, across, down) -> np.ndarray:
    h, w = pixels.shape[:2]
    tiled = np.tile(pixels, (math.ceil(down), math.ceil(across), 1))[
        : max(1, round(down * h)), : round(across * w)
    ]
    scale = LARGEST / max(tiled.shape[:2])
    return (
        cv2.resize(tiled, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if scale < 1
        else tiled
    )


def _read_item(model) -> Item:
    movable = model.find(OURS + "item").get("movable") == "true"
    return Item(
        model.get("name"),
        tuple(_read_primitive(visual) for visual in model.iterfind("link/visual")),
        movable,
    )


def _read_primitive(visual) -> Primitive:
    shape = visual.find("geometry")[0]
    if shape.tag == "cylinder":
        diameter = 2 * float(shape.findtext("radius"))
        size = (diameter, diameter, float(shape.findtext("length")))
    else:
        size = (*_numbers(shape.findtext("size")), 0.0)[:3]
    return Primitive(
        shape.tag,
        _numbers(visual.findtext("pose")),
        size,
        _parse(Texture, visual.find(OURS + "texture")),
    )


def _add(parent, tag, values) -> None:
    ET.SubElement(parent, tag).text = " ".join(str(value) for value in values)


def _attributes(value) -> dict[str, str]:
    """The fields of a flat dataclass as text; repr of a float reads back to the same float."""
    return {
        key: " ".join(map(str, field)) if isinstance(field, tuple) else str(field)
        for key, field in asdict(value).items()
    }


def _parse(kind, element):
    """A flat dataclass; what an older file does not state has its default."""
    readers = {str: str, int: int, float: float}
    stated = [
        field for field in fields(kind) if field.name in element.attrib or field.default is MISSING
    ]
    return kind(
        **{
            field.name: readers.get(field.type, _numbers)(element.attrib[field.name])
            for field in stated
        }
    )


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split())
