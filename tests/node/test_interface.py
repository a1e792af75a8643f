# SPDX-License-Identifier: Apache-2.0
"""The interface page says what the code says, and the running node does."""

import pytest

from diff2i2p_ros.interface import PUBLISHED, SERVICES, SUBSCRIBED, interface

OF_RCLPY = {"/rosout", "/parameter_events", "/localizer/transition_event"}


def test_the_page_is_the_one_that_the_code_gives(root):
    assert (root / "docs/INTERFACE.md").read_text() == interface(), "run `python -m diff2i2p_ros.interface > docs/INTERFACE.md`"


@pytest.mark.parametrize(
    "parameters, absent",
    [
        ({"tf_mode": "map_odom"}, {"image/compressed", "map_cloud"}),
        ({"tf_mode": "map_camera", "image_transport": "compressed"}, {"image", "map_cloud", "/tf", "/tf_static"}),
    ],
)
def test_the_node_subscribes_and_publishes_what_the_page_says_and_nothing_else(graph, robot, parameters, absent):
    graph.start(**parameters)

    def endpoints(kind: str) -> dict:
        found = getattr(graph.node, f"get_{kind}_names_and_types_by_node")("localizer", "/")
        return {name: types[0] for name, types in found if name not in OF_RCLPY}

    assert endpoints("subscriber") == told(topic for topic in SUBSCRIBED if topic.name not in absent)
    assert endpoints("publisher") == told(PUBLISHED)


def test_the_node_offers_the_services_that_the_page_says(graph, robot):
    graph.start(wait=False)
    services = {name: types[0] for name, types in graph.node.get_service_names_and_types_by_node("localizer", "/")}
    expected = told(SERVICES)
    expected["/localizer/change_state"] = expected.pop("/change_state")
    assert expected.items() <= services.items()
    assert {name for name in services if not name.startswith("/localizer/")} == {"/relocalize", "/load_map"}


def told(rows) -> dict:
    return {row.name if row.name.startswith("/") else f"/{row.name}": row.kind for row in rows}
