# SPDX-License-Identifier: Apache-2.0
"""Who finds correspondences between image and map: the network, appearance, KLT while tracked."""

import torch

from diff2i2p.config import Config
from diff2i2p.mapping.compiled_map import CompiledMap, MapError
from diff2i2p.matchers.appearance import AppearanceMatcher
from diff2i2p.matchers.base import MatchedPlace, Matcher, StageTimer
from diff2i2p.matchers.geometry import GeometryMatcher
from diff2i2p.matchers.point_network import PointNetworkMatcher
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.weights import load_weights, shipped_name

__all__ = [
    "MatchedPlace",
    "Matcher",
    "StageTimer",
    "appearance_matchers",
    "network_matcher",
    "open_matchers",
]


def open_matchers(site: CompiledMap, weights: str | None, config: Config) -> list[Matcher]:
    """The matchers of `config` in the order they are asked. Raises MapError, WeightsError.

    weights: None takes those that the map was compiled with, where they ship.
    """
    matchers: list[Matcher] = []
    weights = weights or shipped_name(site.header.get("weights_sha256"))
    if config.matcher != "appearance" and (weights or config.matcher == "network"):
        matcher = network_matcher(site, weights, config)
        if not (isinstance(matcher, GeometryMatcher) and site.no_geometry):
            matchers.append(matcher)
    if config.matcher != "network":
        matchers += appearance_matchers(site, config)
    if not matchers:
        unread = site.no_geometry or "its weights do not ship: give them with --weights"
        raise MapError(f"nothing can match images to {site.path}: {site.no_looks}; {unread}")
    return matchers


def appearance_matchers(site: CompiledMap, config: Config) -> list[AppearanceMatcher]:
    """By the keyframes of the mapping run and by rendered views, as far as the map has them."""
    indices = (
        index for index in (site.photographs, site.appearance) if len(index.get("points", ()))
    )
    return [AppearanceMatcher(**index, config=config.appearance) for index in indices]


def network_matcher(
    site: CompiledMap, weights: str | None, config: Config
) -> PointNetworkMatcher | GeometryMatcher:
    """By the network that the map was compiled with. Raises MapError, WeightsError."""
    if weights is None:
        raise MapError(
            "the network matcher needs weights: give --weights, or use the appearance matcher"
        )
    cuda = config.device == "auto" and torch.cuda.is_available()
    device = "cuda" if cuda else config.device.replace("auto", "cpu")
    network, digest = load_weights(weights, config, device)
    site.require_weights(digest)
    kind = PointNetworkMatcher if isinstance(network, Diff2I2P) else GeometryMatcher
    return kind(network, site, config)
