# SPDX-License-Identifier: Apache-2.0
"""What one step of training minimises: matching, tuning, pose and distillation losses, weighted by the recipe."""

import torch
from torch import nn

from diff2i2p.network.diff2i2p import Diff2I2P, ImageFeatures, MapFeatures
from diff2i2p_training.data.site_dataset import Batch
from diff2i2p_training.diffusion.depth_render import render_depth
from diff2i2p_training.losses.circle import circle_losses
from diff2i2p_training.losses.infonce import encode, naming_losses
from diff2i2p_training.losses.predicted_matches import OwnMatches, own_matches, pose_loss, predicted_poses, tuning_loss
from diff2i2p_training.recipe import LossRecipe

MIN_SEEN = 0.1  # share of an image that the fragment must cover at the predicted pose, or the view is not distilled
MATCHING = {"naming": {"fine": 1.0, "coarse": 0.5}, "circle": {"fine": 1.0, "coarse": 1.0}}  # weights that no recipe changes


class Objective(nn.Module):
    """The network with its losses: a module, so that several processes can share its gradients."""

    def __init__(self, network: Diff2I2P, recipe: LossRecipe = LossRecipe()):
        """Loads the diffusion model that the recipe names. Raises PriorError."""
        super().__init__()
        self.network, self.recipe = network, recipe
        self.weights = MATCHING[recipe.matching] | {name: getattr(recipe, name) for name in ("votes", "tuning", "pose", "csd")}
        self.distillation = None  # no module: frozen, and no part of the checkpoint
        if recipe.csd:
            from diff2i2p_training.diffusion.csd import ControlSideDistillation
            from diff2i2p_training.diffusion.pipeline import load_prior

            prior = load_prior(recipe.prior, device=next(network.parameters()).device)
            self.distillation = ControlSideDistillation(prior, recipe.csd_form)

    def forward(self, batch: Batch, bank: torch.Tensor, done: float) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The weighted sum, and every loss and share by name. bank as of `naming_losses`; done: share of the training that is over."""
        image, site = encode(self.network, batch)
        with torch.autocast(batch.images.device.type, enabled=False):  # distances near zero need all their digits
            losses = self._losses(image, MapFeatures(site.fine.float(), site.nodes.float()), batch, bank, done)
        return sum(weight * losses[name] for name, weight in self.weights.items() if weight and name in losses), losses

    def _losses(self, image: ImageFeatures, site: MapFeatures, batch: Batch, bank: torch.Tensor, done: float) -> dict[str, torch.Tensor]:
        if self.recipe.matching == "circle":
            losses = circle_losses(self.network, image, site, batch)
        else:
            losses = naming_losses(self.network, image, site, batch, bank)
        if self._follows_matches:
            losses |= self._match_losses(own_matches(self.network, image, site, batch), batch, done)
        return losses

    @property
    def _follows_matches(self) -> bool:
        """Whether any loss is on the network's own matches; naming has a tuning loss of its own."""
        return bool(self.recipe.pose or self.recipe.csd or (self.recipe.tuning and self.recipe.matching == "circle"))

    def _match_losses(self, matches: OwnMatches, batch: Batch, done: float) -> dict[str, torch.Tensor]:
        losses = {"tuning": tuning_loss(matches, batch)} if self.recipe.matching == "circle" else {}
        if not self.recipe.pose and not self.recipe.csd:
            return losses
        poses, solved = predicted_poses(matches, batch)
        losses |= {"pose": pose_loss(poses, solved, batch), "poses_solved": solved.float().mean()}
        if self.recipe.csd and done >= self.recipe.csd_from:
            losses["csd"] = self.distil(poses, solved, batch)
        return losses

    def distil(self, poses: torch.Tensor, solved: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The distillation loss of the depth seen from predicted poses (B, 4, 4), of those `solved` (B,) that see enough; else 0."""
        pyramid, size = batch.pyramid, tuple(batch.images.shape[-2:])
        depth, known = render_depth(pyramid.points[0], poses, batch.K, size, pyramid.voxel)
        used = solved & (known.float().mean((1, 2)) > MIN_SEEN)
        if not used.any():
            return poses.new_zeros(())
        if self.recipe.csd_form == "released":
            known = render_depth(pyramid.points[0], batch.T_map_camera, batch.K, size, pyramid.voxel)[1]
        return self.distillation(batch.images[used, :1], depth[used], known[used])
