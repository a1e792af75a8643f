# SPDX-License-Identifier: Apache-2.0
"""How a cloud was made: the sensor, what it loses, and what the mapping run saw."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScanStyle:
    """A sensor and a mapping run; as it stands, a terrestrial scanner without faults."""

    sensor: str = "sphere"  # "sphere", all around; "rings", spinning beams; "depth", a depth camera
    rays: int = 128  # along an edge of each of the six views around; "rings": beams
    noise: float = 0.01  # metres, of every range
    noise_growth: float = 0.0  # metres more at 10 m
    voxel: float = 0.04  # metres, spacing after thinning
    nearest: float = 0.3  # metres
    reach: float = 20.0  # metres
    sure: float = 0.3  # chance that even black gives an echo
    grazing: float = 0.0  # cosine of incidence below which nothing comes back
    mixed: float = 0.0  # share of the rays on an outline that end between front and back
    tilt: float = 0.0  # radians, how much the sensor leans, differently at every position
    drift: float = 0.0  # metres that the pose strays over the run
    seen: float = 1.0  # share of the positions that the run came by, from one end of the place
    infrared: bool = False  # intensity at 905 nm; else the albedo that a camera sees
    corrected: bool = True  # intensity does not fall off with range
    incidence: bool = True  # intensity falls off with the angle of incidence

    @classmethod
    def random(cls, rng: np.random.Generator) -> "ScanStyle":
        """Any of the ways in which people map."""
        sensor = str(rng.choice(["sphere", "rings", "depth"], p=[0.4, 0.4, 0.2]))
        rays, reach = {
            "sphere": (int(rng.integers(96, 176)), rng.uniform(12, 60)),
            "rings": (int(rng.choice([16, 32, 64])), rng.uniform(15, 80)),
            "depth": (int(rng.integers(90, 150)), rng.uniform(3.5, 8)),
        }[sensor]
        return cls(
            sensor,
            rays,
            noise=float(rng.uniform(0.003, 0.03)),
            noise_growth=float(rng.choice([0.0, rng.uniform(0, 0.04)])),
            voxel=float(rng.uniform(0.02, 0.08)),
            nearest=float(rng.uniform(0.2, 0.9)),
            reach=float(reach),
            sure=float(rng.uniform(0.0, 0.6)),
            grazing=float(rng.choice([0.0, rng.uniform(0.02, 0.15)])),
            mixed=float(rng.choice([0.0, rng.uniform(0.0, 0.4)])),
            tilt=float(rng.choice([0.0, rng.uniform(0, 0.6)])),
            drift=float(rng.choice([0.0, rng.uniform(0, 0.03)])),
            seen=float(rng.choice([1.0, 1.0, rng.uniform(0.4, 1.0)])),
            infrared=bool(rng.random() < 0.7),
            corrected=bool(rng.random() < 0.5),
            incidence=bool(rng.random() < 0.8),
        )
