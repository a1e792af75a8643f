# SPDX-License-Identifier: Apache-2.0
"""Released checkpoints of Diff2I2P and 2D3D-MATR -> our weights. Only tensors are read: no object in the file is ever built."""

import re
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError

import torch
import yaml

from diff2i2p.config import PAPER, PAPER_RGBD, RGBD_SCENES_MATCHING, Config
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.network.point_backbone import KernelPointConvolution
from diff2i2p.parameters import override
from diff2i2p.weights import WeightsError, save_weights, sha256

EXPERIMENTS = {"7scenes": PAPER["matching"], "rgbd-scenes-v2": RGBD_SCENES_MATCHING}
# Released tensors that tell the kinds apart.
STEM, TUNING = ("img_backbone.encoder1.conv.weight", "coord_offset_net.0.weight")
BESIDE = ("image", "retrieval", "matching")  # groups of the preset that weights do not carry

# our name -> released name, applied in turn
_RENAMING = (
    (r"^image_backbone\.stem\.", "img_backbone.encoder1."),
    (r"^image_backbone\.stages\.(\d)\.", lambda m: f"img_backbone.encoder{int(m[1]) + 2}."),
    (r"^image_backbone\.top\.", "img_backbone.decoder4_1.conv."),
    (
        r"^image_backbone\.rungs\.(\d)\.lateral\.",
        lambda m: f"img_backbone.decoder{3 - int(m[1])}_1.conv.",
    ),
    (
        r"^image_backbone\.rungs\.(\d)\.smooth\.0\.",
        lambda m: f"img_backbone.decoder{3 - int(m[1])}_2.0.",
    ),
    (
        r"^image_backbone\.rungs\.(\d)\.smooth\.1\.",
        lambda m: f"img_backbone.decoder{3 - int(m[1])}_2.1.conv.",
    ),
    (r"^image_backbone\.out_proj\.", "img_backbone.out_proj.conv."),
    (r"^patches\.downs\.(\d)\.", lambda m: f"img_pyramid.downsample{int(m[1]) + 1}."),
    (r"^patches\.heads\.(\d)\.", lambda m: f"img_pyramid.latent_{int(m[1]) + 1}."),
    (r"^(img_\w+\..*)\bshortcut\.", r"\1identity."),
    (r"^(img_\w+\..*)\.0\.(weight|bias)$", r"\1.conv.\2"),
    (r"^(img_\w+\..*)\.1\.(weight|bias)$", r"\1.norm.\2"),
    (r"^point_backbone\.stem\.", "pcd_backbone.encoder1_1."),
    (r"^point_backbone\.downs\.(\d)\.", lambda m: f"pcd_backbone.encoder{int(m[1]) + 2}_1."),
    (r"^point_backbone\.stages\.0\.0\.", "pcd_backbone.encoder1_2."),
    (
        r"^point_backbone\.stages\.(\d)\.(\d)\.",
        lambda m: f"pcd_backbone.encoder{int(m[1]) + 1}_{int(m[2]) + 2}.",
    ),
    (r"^point_backbone\.rises\.(\d)\.", lambda m: f"pcd_backbone.decoder{int(m[1]) + 1}."),
    (r"^point_backbone\.out_proj\.", "pcd_backbone.out_proj."),
    (r"^(pcd_backbone\..*)\bshortcut\.", r"\1unary_shortcut."),
    (r"^(pcd_backbone\..*)\.0\.(weight|bias)$", r"\1.mlp.\2"),
    (r"^(pcd_backbone\..*)\.(?:1|norm)\.(weight|bias)$", r"\1.norm.norm.\2"),
    (r"^image_proj\.", "transformer.img_in_proj."),
    (r"^point_proj\.", "transformer.pcd_in_proj."),
    (r"^fusion\.image_embedding\.", "transformer.img_emb_proj."),
    (r"^fusion\.point_embedding\.", "transformer.pcd_emb_proj."),
    (r"^fusion\.out_proj\.", "transformer.out_proj."),
    (r"^fusion\.layers\.(\d)\.", r"transformer.transformer.\1."),
    (
        r"^(transformer\.transformer\.\d)\.(q|k|v)(?:uery|ey|alue)\.",
        r"\1.attention.attention.\2_token_layer.",
    ),
    (r"^(transformer\.transformer\.\d)\.linear\.", r"\1.attention.linear."),
    (r"^(transformer\.transformer\.\d)\.norm1\.", r"\1.attention.norm."),
    (r"^(transformer\.transformer\.\d)\.norm2\.", r"\1.output.norm."),
    (r"^(transformer\.transformer\.\d)\.(expand|squeeze)\.", r"\1.output.\2."),
    (r"^tuning\.layers\.", "coord_offset_net."),
)


def convert_checkpoint(released: Path | str, out: Path | str, experiment: str = "7scenes") -> str:
    """Write the weights of a released checkpoint to `out`, and beside it NAME.yaml, the parameters its experiment ran with.

    Returns what the file turned out to be. Raises WeightsError when it is anything but a released checkpoint.
    """
    tensors = read_checkpoint(released)
    network = network_of(tensors, Path(released).name)
    mode = "rgbd" if network.config.network.query_depth else "mono"
    origin = f"{'Diff2I2P' if network.config.network.tuning else '2D3D-MATR'}, mode {mode}"
    card = {
        "converted from": Path(released).name,
        "sha256": sha256(released),
        "origin": origin,
        "licence": "that of the released file",
    }
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_weights(out, network, card, torch.float32)
    settings = {group: PAPER[group] for group in BESIDE} | {"matching": EXPERIMENTS[experiment]}
    out.with_suffix(".yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    return origin


def read_checkpoint(path: Path | str) -> dict[str, torch.Tensor]:
    """The tensors of a released file by name. Raises WeightsError."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(
            f"cannot read the checkpoint {path}: {error.strerror or error}"
        ) from error
    except (
        UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        ImportError,
    ) as error:
        raise WeightsError(
            f"{path} is no checkpoint of tensors, or it is damaged: take the file as its authors released it"
        ) from error
    tensors = content.get("model", content) if isinstance(content, dict) else None
    if (
        not isinstance(tensors, dict)
        or not tensors
        or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values())
    ):
        raise WeightsError(f"{path} holds no network: expected the state of one under 'model'")
    return tensors


def network_of(tensors: dict[str, torch.Tensor], name: str) -> Diff2I2P:
    """The network of released tensors; their shapes tell what it is told of the query. Raises WeightsError naming what does not fit."""
    if STEM not in tensors:
        raise WeightsError(
            f"{name} is neither a Diff2I2P nor a 2D3D-MATR checkpoint: it has no tensor {STEM}"
        )
    rgbd = tensors[STEM].shape[1:2] == (4,)
    config = override(Config(), PAPER_RGBD if rgbd else PAPER)
    config = replace(config, network=replace(config.network, tuning=TUNING in tensors))
    with torch.device("meta"):  # shapes are compared before memory is taken for them
        shapes = {own: tensor.shape for own, tensor in Diff2I2P(config).state_dict().items()}
    theirs = {
        own: released_name(own) for own in shapes if own != "log_sharpness"
    }  # which only our training uses
    if not config.network.tuning:
        theirs = {own: key for own, key in theirs.items() if not own.startswith("tuning.")}
    _require_same(tensors, {key: shapes[own] for own, key in theirs.items()}, name)
    network = Diff2I2P(config).eval()
    state = {own: tensors[key].float() / _unit(network, own) for own, key in theirs.items()}
    network.load_state_dict(network.state_dict() | state)
    return network


def released_name(own: str) -> str:
    """The name that the released code gives to our tensor."""
    for pattern, name in _RENAMING:
        own = re.sub(pattern, name, own)
    return own


def _require_same(
    tensors: dict[str, torch.Tensor], shapes: dict[str, torch.Size], name: str
) -> None:
    missing, foreign = (
        sorted(shapes.keys() - tensors.keys()),
        sorted(tensors.keys() - shapes.keys()),
    )
    wrong = [
        key for key in sorted(shapes.keys() & tensors.keys()) if tensors[key].shape != shapes[key]
    ]
    for what, keys in (("lacks", missing), ("has a foreign", foreign)):
        if keys:
            raise WeightsError(
                f"{name} is no released Diff2I2P or 2D3D-MATR checkpoint: it {what} tensor {keys[0]} ({len(keys)} such)"
            )
    if wrong:
        sizes = f"{tuple(tensors[wrong[0]].shape)}, not {tuple(shapes[wrong[0]])}"
        raise WeightsError(
            f"{name} is no released Diff2I2P or 2D3D-MATR checkpoint: {wrong[0]} is {sizes} ({len(wrong)} such)"
        )


def _unit(network: Diff2I2P, own: str) -> float:
    """Theirs in one of ours: kernel points are stored in metres there, in voxels here."""
    module, _, leaf = own.rpartition(".")
    owner = network.get_submodule(module)
    return (
        owner.voxel
        if leaf == "kernel_points" and isinstance(owner, KernelPointConvolution)
        else 1.0
    )
