# SPDX-License-Identifier: Apache-2.0
"""What a step of the paper's training minimises: matching, tuning, pose and distillation losses."""

import torch
from torch import nn

from diff2i2p.network.diff2i2p import Diff2I2P, ImageFeatures, MapFeatures
from diff2i2p_training.data.pair_dataset import Batch
from diff2i2p_training.diffusion.depth_render import render_depth
from diff2i2p_training.losses.circle import circle_losses
from diff2i2p_training.losses.predicted_matches import (
    OwnMatches,
    own_matches,
    pose_loss,
    predicted_poses,
    tuning_loss,
)
from diff2i2p_training.precision import bfloat16_pays
from diff2i2p_training.recipe import LossRecipe

MIN_SEEN = 0.1  # share of an image that the fragment must cover, or the view is not distilled
WEIGHTS = {"fine": 1.0, "coarse": 1.0}  # of the losses that no recipe changes
OPTIONAL = ("votes", "tuning", "pose", "csd")  # of those that it weighs


class Objective(nn.Module):
    """The network with its losses: a module, so that several processes can share its gradients."""

    def __init__(self, network: Diff2I2P, recipe: LossRecipe = LossRecipe()):
        """Loads the diffusion model that the recipe names. Raises PriorError."""
        super().__init__()
        self.network, self.recipe = network, recipe
        self.weights = WEIGHTS | {name: getattr(recipe, name) for name in OPTIONAL}
        self.distillation = None  # no module: frozen, and no part of the checkpoint
        if recipe.csd:
            from diff2i2p_training.diffusion.csd import ControlSideDistillation
            from diff2i2p_training.diffusion.pipeline import load_prior

            prior = load_prior(recipe.prior, device=next(network.parameters()).device)
            self.distillation = ControlSideDistillation(prior, recipe.csd_form)

    def groups(self) -> list[dict]:
        """All parameters at one pace."""
        return [{"params": list(self.network.parameters()), "pace": 1.0}]

    def forward(self, batch: Batch, done: float) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The weighted sum, and every loss by name. done: share of the training that is over."""
        device = batch.images.device.type
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16_pays(device)):
            image = self.network.encode_image(batch.images)
        site = self.network.encode_map(batch.pyramid)
        with torch.autocast(device, enabled=False):  # distances near zero need all their digits
            site = MapFeatures(site.fine.float(), site.nodes.float())
            losses = self._losses(image, site, batch, done)
        used = {name for name, weight in self.weights.items() if weight} & losses.keys()
        return sum(self.weights[name] * losses[name] for name in sorted(used)), losses

    def _losses(
        self, image: ImageFeatures, site: MapFeatures, batch: Batch, done: float
    ) -> dict[str, torch.Tensor]:
        losses = circle_losses(self.network, image, site, batch)
        if self.recipe.tuning or self.recipe.pose or self.recipe.csd:
            matches = own_matches(self.network, image, site, batch)
            losses |= self._match_losses(matches, batch, done)
        return losses

    def _match_losses(
        self, matches: OwnMatches, batch: Batch, done: float
    ) -> dict[str, torch.Tensor]:
        losses = {"tuning": tuning_loss(matches, batch)}
        if not self.recipe.pose and not self.recipe.csd:
            return losses
        poses, solved = predicted_poses(matches, batch)
        losses |= {"pose": pose_loss(poses, solved, batch), "poses_solved": solved.float().mean()}
        if self.recipe.csd and done >= self.recipe.csd_from:
            losses["csd"] = self.distil(poses, solved, batch)
        return losses

    def distil(self, poses: torch.Tensor, solved: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The distillation loss of the depth seen from predicted poses (B, 4, 4).

        Of those `solved` (B,) that see enough; else 0.
        """
        pyramid, size = batch.pyramid, tuple(batch.images.shape[-2:])
        depth, known = render_depth(pyramid.points[0], poses, batch.K, size, pyramid.voxel)
        used = solved & (known.float().mean((1, 2)) > MIN_SEEN)
        if not used.any():
            return poses.new_zeros(())
        if self.recipe.csd_form == "released":
            known = render_depth(
                pyramid.points[0], batch.T_map_camera, batch.K, size, pyramid.voxel
            )[1]
        return self.distillation(batch.images[used, :1], depth[used], known[used])
