# SPDX-License-Identifier: Apache-2.0
"""What is known of one frame over time: its parent and its pose in it."""

import bisect
import math
from typing import NamedTuple

from scipy.spatial.transform import RigidTransform, Slerp

from tf2_ros.exceptions import ExtrapolationException


class Link(NamedTuple):
    """A frame's place in the tree at one time."""

    parent: str
    T_parent_child: RigidTransform


class StaticHistory:
    """One link that holds at all times."""

    newest = math.inf

    def __init__(self, link: Link):
        self.link = link

    def at(self, stamp: int) -> Link:
        return self.link

    def clear(self) -> None:
        """Static transforms are sent once: they outlive a reset, as in tf2."""


class History:
    """Links in order of their stamps [ns], no older than `length` [ns] before the newest."""

    def __init__(self, length: int):
        self.length = length
        self.clear()

    def clear(self) -> None:
        self.stamps: list[int] = []
        self.links: list[Link] = []

    @property
    def newest(self) -> int:
        return self.stamps[-1]

    def insert(self, stamp: int, link: Link) -> bool:
        """Add a link, or replace the one of its stamp; False when it is too old to be of use. What is outdated goes first, as in tf2."""
        if self.stamps:
            expired = bisect.bisect_left(self.stamps, self.newest - self.length)
            del self.stamps[:expired], self.links[:expired]
        if self.stamps and stamp < self.newest - self.length:
            return False
        place = bisect.bisect_left(self.stamps, stamp)
        repeated = self.stamps[place : place + 1] == [stamp]
        self.stamps[place : place + repeated] = [stamp]
        self.links[place : place + repeated] = [link]
        return True

    def at(self, stamp: int) -> Link:
        """The link at `stamp` [ns], interpolated between its neighbours; 0 asks for the newest. Raises ExtrapolationException."""
        if not self.stamps:
            raise ExtrapolationException(
                "Lookup would require extrapolation: the buffer has been cleared"
            )
        if stamp == 0:
            return self.links[-1]
        if stamp > self.newest:
            raise _extrapolation("into the future", stamp, "latest", self.newest)
        if stamp < self.stamps[0]:
            raise _extrapolation("into the past", stamp, "earliest", self.stamps[0])
        place = bisect.bisect_left(self.stamps, stamp)
        if self.stamps[place] == stamp:
            return self.links[place]
        before, after = self.links[place - 1 : place + 1]
        if before.parent != after.parent:
            return before
        return _interpolate(
            before,
            after,
            (stamp - self.stamps[place - 1]) / (self.stamps[place] - self.stamps[place - 1]),
        )


def _interpolate(before: Link, after: Link, ratio: float) -> Link:
    """Translation along the line, rotation along the great circle (slerp)."""
    a, b = before.T_parent_child, after.T_parent_child
    translation = (1 - ratio) * a.translation + ratio * b.translation
    rotation = Slerp([0, 1], a.rotation.concatenate([a.rotation, b.rotation]))(ratio)
    return Link(before.parent, RigidTransform.from_components(translation, rotation))


def _extrapolation(direction: str, asked: int, which: str, known: int) -> ExtrapolationException:
    return ExtrapolationException(
        f"Lookup would require extrapolation {direction}.  "
        f"Requested time {asked / 1e9:.6f} but the {which} data is at time {known / 1e9:.6f}"
    )
