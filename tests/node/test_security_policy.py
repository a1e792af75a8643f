# SPDX-License-Identifier: Apache-2.0
"""The shipped SROS 2 policy allows what the node does, and nothing besides."""

from xml.etree import ElementTree

import pytest

SELDOM = {  # by parameter, by the map (tf_static), or by the middleware
    "/image/compressed", "/depth", "/map_cloud", "/clock", "/parameter_events", "/tf_static",
}  # fmt: skip


@pytest.fixture(scope="module")
def policy(root) -> dict[str, set[str]]:
    """Full names by what is allowed with them."""
    tree = ElementTree.parse(root / "launch" / "security" / "localizer.policy.xml")
    allowed: dict[str, set[str]] = {}
    for group in tree.iter():
        for verb in {"publish", "subscribe", "reply"} & set(group.attrib):
            assert group.attrib[verb] == "ALLOW"
            allowed.setdefault(verb, set()).update(
                f"/{entry.text}".replace("/~", "/localizer") for entry in group
            )
    return allowed


def test_the_policy_names_what_the_node_publishes_subscribes_and_serves(graph, robot, policy):
    node = graph.start(tf_mode="map_odom")
    asked = {
        "publish": node.get_publisher_names_and_types_by_node,
        "subscribe": node.get_subscriber_names_and_types_by_node,
        "reply": node.get_service_names_and_types_by_node,
    }
    for verb, ask in asked.items():
        assert graph.until(lambda ask=ask: ask("localizer", "/"))
        used = {name for name, _ in ask("localizer", "/")}
        assert used - policy[verb] == set()
        assert policy[verb] - used <= SELDOM
