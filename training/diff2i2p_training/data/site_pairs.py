# SPDX-License-Identifier: Apache-2.0
"""Pairs of a real site: its cloud, and the posed photos of a mapping run.

Poses are in the cloud's coordinates, which its points are in but for its origin.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from diff2i2p.camera import rectify
from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config
from diff2i2p.datasets.sequences import Sequence
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.viewpoints import EYE
from diff2i2p_training.data.drawn_pairs import DrawnPair, draw_pair, draw_pairs, mapped_view
from diff2i2p_training.data.synthesis import SiteView, ViewSynthesizer

EACH = 6  # pairs of a photo that are stored
THINNED = 0.02  # metres between the points that new views of photos are made with
SYNTHESIZED = 0.5  # share of the pairs whose photo is seen from a new place
REUSED = 4  # times that a pair is drawn, augmented each time anew
REMEMBERED = 256  # pairs to draw again from
TRIES = 100  # photos in turn that show nothing of the map before that is an error


def sequence_pairs(cloud: PointCloud, sequence: Sequence, seed: int = 0) -> Iterator[DrawnPair]:
    """A few pairs of every posed photo, in turn. Raises SequenceError, CameraError."""
    dense, image = DenseMap.build(cloud), Config().image
    posed = [f for f in sequence.moved(-np.array(cloud.origin)) if f.T_map_camera is not None]

    def views() -> Iterator[SiteView]:
        for frame in posed:
            camera = frame.camera or sequence.camera
            view = rectify(frame.image(), camera, EYE.width, image.max_fov)
            yield mapped_view(dense, view, frame.T_map_camera)

    return draw_pairs(dense, views(), np.random.default_rng(seed), sequence.name, EACH)


class SitePairs:
    """Endless pairs of a site: real photos and synthesised ones, each drawn a few times."""

    def __init__(self, cloud: PointCloud, sequence: Sequence, progress=iter, eye=EYE):
        """Raises SequenceError, CameraError, and ValueError where no image has a pose."""
        posed = tuple(frame for frame in sequence.frames if frame.T_map_camera is not None)
        if not posed:
            raise ValueError(
                f"no image of {sequence.name} has a pose: give groundtruth.txt, or poses"
            )
        sequence = replace(sequence, frames=posed).moved(-np.array(cloud.origin))
        self.site, self.eye, self.dense = sequence.name, eye, DenseMap.build(cloud)
        thin = cloud.voxel_downsample(THINNED)
        spacing, fov = DenseMap.build(thin).spacing, Config().image.max_fov
        self.synthesizer = ViewSynthesizer(thin, spacing, sequence, eye.width, fov, progress)
        self.remembered: list[DrawnPair] = []

    def draw(self, rng: np.random.Generator) -> DrawnPair:
        """A new pair, or a known one again. Raises ValueError where no photo shows the map."""
        if self.remembered and rng.random() < 1 - 1 / REUSED:
            return self.remembered[rng.integers(len(self.remembered))]
        pair = self._new(rng)
        if len(self.remembered) < REMEMBERED:
            self.remembered.append(pair)
        else:
            self.remembered[rng.integers(REMEMBERED)] = pair
        return pair

    def _new(self, rng: np.random.Generator) -> DrawnPair:
        views = self.synthesizer.views
        for _ in range(TRIES):
            new = rng.random() < SYNTHESIZED
            view = self.synthesizer.draw(rng) if new else views[rng.integers(len(views))]
            pair = draw_pair(self.dense, view, rng, self.site, eye=self.eye)
            if pair is not None:
                return pair
        raise ValueError(
            "no image sees anything of the cloud: poses have to be T_map_camera, optical frame,"
            " in the cloud's frame"
        )
