# SPDX-License-Identifier: Apache-2.0
"""The interface page says what the code says, and the running node does."""

import pytest

from diff2i2p_ros.interface import PUBLISHED, SERVICES, SUBSCRIBED, interface


def test_the_page_is_the_one_that_the_code_gives(root):
    assert (root / "docs/INTERFACE.md").read_text() == interface(), (
        "run `python -m diff2i2p_ros.interface > docs/INTERFACE.md`"
    )


@pytest.mark.parametrize(
    "namespace, parameters, absent",
    [
        ("/odom", {"tf_mode": "map_odom"}, {"image/compressed", "map_cloud", "depth"}),
        (
            "/camera",
            {"tf_mode": "map_camera", "image_transport": "compressed", "use_depth": True},
            {"image", "map_cloud", "/tf", "/tf_static"},
        ),
    ],
)
def test_the_node_subscribes_and_publishes_what_the_page_says_and_nothing_else(
    graph, namespace, parameters, absent
):
    graph.start(wait=False, remap=(f"__ns:={namespace}",), **parameters)
    of_rclpy = {"/rosout", "/parameter_events", f"{namespace}/localizer/transition_event"}
    for kind, topics in (
        ("subscriber", {t for t in SUBSCRIBED if t.name not in absent}),
        ("publisher", set(PUBLISHED)),
    ):
        find = getattr(graph.node, f"get_{kind}_names_and_types_by_node")
        expected = told(topics, namespace)

        def found(find=find) -> dict:
            return {
                name: types[0]
                for name, types in find("localizer", namespace)
                if name not in of_rclpy
            }

        assert graph.until(lambda found=found, expected=expected: len(found()) >= len(expected))
        assert found() == expected


def test_the_node_offers_the_services_that_the_page_says(graph):
    graph.start(wait=False, remap=("__ns:=/served",))
    expected = told(SERVICES, "/served")
    expected["/served/localizer/change_state"] = expected.pop("/served/change_state")

    def found() -> dict:
        return {
            name: types[0]
            for name, types in graph.node.get_service_names_and_types_by_node(
                "localizer", "/served"
            )
        }

    assert graph.until(lambda: expected.items() <= found().items())
    own = {name for name in found() if not name.startswith("/served/localizer/")}
    assert own == {f"/served/{service.name}" for service in SERVICES} - {"/served/change_state"}


def told(rows, namespace: str) -> dict:
    """Types by full name."""
    return {
        row.name if row.name.startswith("/") else f"{namespace}/{row.name}": row.kind
        for row in rows
    }
