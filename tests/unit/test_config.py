# SPDX-License-Identifier: Apache-2.0
"""The configuration is the one source of defaults, and it refuses what it does not know."""

import pytest

from diff2i2p.config import Config, load_config
from diff2i2p.parameters import ConfigError, override, override_dotted, parameters


def test_every_parameter_has_one_sentence_of_help():
    for name, _, metadata in parameters(Config()):
        assert metadata["help"].endswith("."), name


def test_every_default_lies_within_its_own_range():
    for name, value, _ in parameters(Config()):
        assert override_dotted(Config(), {name: value}) == Config(), name


def test_a_dotted_name_changes_only_its_parameter():
    changed = override_dotted(Config(), {"pnp.max_error": 3})
    assert changed.pnp.max_error == 3.0
    assert override_dotted(changed, {"pnp.max_error": Config().pnp.max_error}) == Config()


@pytest.mark.parametrize(
    "values, message",
    [
        ({"pnp": {"max_eror": 3.0}}, "unknown parameter 'pnp.max_eror'"),
        ({"pnp": 3.0}, "group of parameters"),
        ({"pnp": {"max_error": "wide"}}, "takes a float"),
        ({"pnp": {"max_error": 1e9}}, "lies within"),
        ({"matcher": "orb"}, "one of network, appearance, both"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values, message):
    with pytest.raises(ConfigError, match=message):
        override(Config(), values)


def test_a_yaml_file_overrides_the_defaults(tmp_path):
    (tmp_path / "site.yaml").write_text("matcher: network\npnp:\n  max_iterations: 500\n")
    config = load_config(tmp_path / "site.yaml")
    assert (config.matcher, config.pnp.max_iterations) == ("network", 500)


@pytest.mark.parametrize("text", ["just words", "a: [1", "- 1"])
def test_a_broken_yaml_file_is_named_in_the_error(tmp_path, text):
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(ConfigError, match="site.yaml"):
        load_config(tmp_path / "site.yaml")
