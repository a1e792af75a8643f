# SPDX-License-Identifier: Apache-2.0
"""What must not get a wrong pose: spoiled images, places that look alike, maps that hold a place twice."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.matchers import appearance_matchers
from diff2i2p_sim.description import Item
from diff2i2p_sim.office.floor_plan import make_shells
from diff2i2p_sim.office.furnish import Furnisher
from diff2i2p_sim.office.primitives import Style
from diff2i2p_sim.world import World

BLUR = 11  # pixels that the camera moves while the shutter is open, at 320 wide
DARK_GAMMA, DARK_GAIN, DARK_NOISE = 1.6, 0.22, 0.035  # shares of full scale
EXPOSURE = 3.5  # times too long
STRUCTURE = ("shell_", "wall_", "door_", "window_", "panel_", "exit_")
# No two pieces are alike.
UNIQUE = ("paint", "carpet", "terrazzo", "tiles", "planks", "brick", "panelling", "wood", "door")


def blurred(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Motion blur of (H, W, 3) uint8 along a random line."""
    size = max(3, BLUR * image.shape[1] // 320)
    kernel, angle = np.zeros((size, size), np.float32), rng.uniform(0, np.pi)
    middle, reach = (size - 1) / 2, (size - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = ((middle + side * reach).round().astype(int).tolist() for side in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def dark(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Too little light: darkened (H, W, 3) uint8, with the noise of a short exposure."""
    level = DARK_GAIN * (image / 255.0) ** DARK_GAMMA + rng.normal(0, DARK_NOISE, image.shape)
    return (255 * level).clip(0, 255).astype(np.uint8)


def overexposed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Too much light: most of (H, W, 3) uint8 is white."""
    return (image * EXPOSURE).clip(0, 255).astype(np.uint8)


def covered(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A hand before the lens: a dim, smooth gradient of skin and shadow with sensor noise, shape of `image`."""
    height, width = image.shape[:2]
    coarse = rng.uniform(10, 70, (3, 4)).astype(np.float32)
    shade = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None] * (
        1.0,
        0.7,
        0.6,
    )
    return (shade + rng.normal(0, 3, (height, width, 3))).clip(0, 255).astype(np.uint8)


def mirrored(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mirror image of a place, as the other half of a symmetric building shows it. The lens must be centred."""
    return np.ascontiguousarray(image[:, ::-1])


SPOILED = {"blurred": blurred, "dark": dark, "overexposed": overexposed, "covered": covered}


def refurnished(world: World, seed: int, rooms: int, tenant: int) -> World:
    """`World.office(seed, rooms)` emptied to the walls, windows and doors, and furnished from the same shop by other people."""
    style, counts, items = Style.of(np.random.default_rng([seed, 7, tenant])), {}, []
    for shell in make_shells(np.random.default_rng([seed, 7]), rooms):
        furnisher = Furnisher(shell, style, counts)
        furnisher.furnish()
        items += furnisher.items
    structure = [item for item in world.items if item.name.startswith(STRUCTURE)]
    return replace(world, items=(*structure, *items))


def other_floor(world: World, seed: int, rooms: int, floor: int) -> World:
    """Another floor of `World.office(seed, rooms)`: built alike of other pieces of the same materials, and furnished otherwise."""
    other = refurnished(world, seed, rooms, floor)
    items = (
        _built_again(item, floor) if item.name.startswith(STRUCTURE) else item
        for item in other.items
    )
    return replace(other, items=tuple(items))


def _built_again(item: Item, number: int) -> Item:
    """The same item of the same materials; where no two pieces of a material are alike, of another piece."""
    textures = [part.texture for part in item.primitives]
    again = [
        replace(t, seed=t.seed + 1_000_003 * number) if t.kind in UNIQUE else t for t in textures
    ]
    return replace(
        item,
        primitives=tuple(
            replace(part, texture=t) for part, t in zip(item.primitives, again, strict=True)
        ),
    )


def rearranged(world: World, seed: int, share: float = 0.3) -> World:
    """The same place after days enough that `share` of its movable furniture is elsewhere."""
    later = world
    while moved_share(world, later) < share:
        later, seed = later.changed(seed), seed + 1
    return later


def moved_share(before: World, after: World) -> float:
    """Share of the movable furniture that is more than 5 cm away from where it was, or gone."""
    places = {item.name: item.bounds for item in after.items}
    movable = [item for item in before.items if item.movable]
    moved = [
        item.name not in places or np.abs(places[item.name] - item.bounds).max() > 0.05
        for item in movable
    ]
    return float(np.mean(moved)) if moved else 1.0


def repeated(localizer: Localizer, shift: np.ndarray) -> Localizer:
    """The appearance localizer of a map that holds its place twice, the second time moved by `shift` (3,) metres."""
    site = localizer.map
    twice = {
        name: _twice(name, tensor, torch.as_tensor(shift)) for name, tensor in site.tensors.items()
    }
    both = CompiledMap(Path(f"{site.path}.twice"), site.header, twice)
    return Localizer(both, appearance_matchers(both, localizer.config), localizer.config)


def _twice(name: str, tensor: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """An array of a compiled map, once more for the second copy of the place."""
    if name.endswith(("points", "centres")):
        return torch.cat([tensor, (tensor + shift).to(tensor.dtype)])
    if name.endswith("starts"):
        return torch.cat([tensor, tensor[1:] + tensor[-1]])
    return tensor if name.endswith("grain") else torch.cat([tensor, tensor])
