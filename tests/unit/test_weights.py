# SPDX-License-Identifier: Apache-2.0
"""Weights files carry their configuration and are refused with a reason."""

import pytest
import torch

from diff2i2p.config import Config
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import override
from diff2i2p.weights import SHIPPED, WeightsError, load_weights, save_weights, shipped_weights

SMALL = override(
    Config(),
    {
        "network": {
            "image_channels": [8, 8, 16, 16],
            "point_width": 4,
            "fine_dim": 16,
            "token_dim": 16,
        }
    },
)


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    save_weights(tmp_path / "small.safetensors", Diff2I2P(SMALL), {"site": "nowhere"})
    return tmp_path / "small.safetensors"


def test_weights_bring_their_own_configuration_back(weights):
    network, digest = load_weights(weights, Config())
    assert network.config.network == SMALL.network
    assert not network.training
    assert len(digest) == 64


def test_weights_are_there_for_every_user_of_the_machine(weights):
    assert weights.stat().st_mode & 0o777 == 0o644


def test_truncated_weights_are_refused(weights):
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="copy it again"):
        load_weights(weights)


def test_a_pickle_is_refused_unread(tmp_path):
    torch.save({"model": {}}, tmp_path / "released.pth")
    with pytest.raises(WeightsError):
        load_weights(tmp_path / "released.pth")


def test_an_unknown_name_lists_what_is_shipped():
    with pytest.raises(WeightsError, match="no weights file 'kitchn'"):
        load_weights("kitchn")


def test_shipped_weights_are_whole_and_each_has_a_card():
    rows = shipped_weights()
    assert {row["file"] for row in rows.values()} == {
        path.name for path in SHIPPED.glob("*.safetensors")
    }
    for name in rows:
        load_weights(name)
        card = (SHIPPED / f"{name}.md").read_text()
        assert all(
            word in card for word in ("licence", "data", "config", "commit", "Scores", "Limits")
        )
