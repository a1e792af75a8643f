# SPDX-License-Identifier: Apache-2.0
"""ROS parameters and the shipped file are the dataclasses, and nothing else."""

import yaml

from diff2i2p.config import Config
from diff2i2p.parameters import parameters
from diff2i2p_ros.parameters import NodeConfig, params_file


def test_the_shipped_parameters_file_is_the_one_the_dataclasses_give(root):
    shipped = (root / "launch/params/localizer.yaml").read_text()
    assert shipped == params_file(NodeConfig(), Config()), (
        "run `python -m diff2i2p_ros.parameters > launch/params/localizer.yaml`"
    )


def test_the_file_holds_every_parameter_with_its_default_and_its_unit():
    text = params_file(NodeConfig(), Config())
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    for config in NodeConfig(), Config():
        for name, default, metadata in parameters(config):
            place = values
            for part in name.split("."):
                place = place[part]
            assert place == (list(default) if isinstance(default, tuple) else default)
            assert metadata["help"] in text
    assert "[px] 0.5 to 100." in text


def test_the_parameters_of_node_and_library_have_different_names():
    names = [
        name.split(".")[0]
        for config in (NodeConfig(), Config())
        for name, _, _ in parameters(config)
    ]
    assert not {name for name, _, _ in parameters(NodeConfig())} & set(
        names[len(list(parameters(NodeConfig()))) :]
    )
