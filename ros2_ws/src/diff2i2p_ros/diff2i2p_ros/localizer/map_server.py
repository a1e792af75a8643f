# SPDX-License-Identifier: Apache-2.0
"""The map that is served: from a file, from a cloud on a topic, or replaced while the node runs."""

import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from nav_msgs.srv import LoadMap
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from tf2_ros import StaticTransformBroadcaster

from diff2i2p.config import Config
from diff2i2p.geometry import translated
from diff2i2p_ros import convert
from diff2i2p_ros.localizer.background import Background
from diff2i2p_ros.localizer.causes import Cause, Say
from diff2i2p_ros.localizer.cloud_map import CloudCompiler, MapUnavailable
from diff2i2p_ros.node_main import is_mendable
from diff2i2p_ros.parameters import NodeConfig

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Maps:
    """Keeps one localizer. A new map is made ready beside it, and only then takes its place: `changed()` is then called.

    `open_localizer(map_file, weights, config)` gives a localizer.
    """

    def __init__(self, node: Node, open_localizer: Callable, say: Say, changed: Callable[[], None]):
        self._node, self._open, self._say, self._changed = node, open_localizer, say, changed
        self._background = Background(node)
        self._points = node.create_publisher(PointCloud2, "map_points", LATCHED)
        # a group of its own: the answer waits for the map, and nothing else may wait for the answer
        node.create_service(
            LoadMap, "load_map", self._on_load_map, callback_group=MutuallyExclusiveCallbackGroup()
        )
        self._clouds = None
        self._origins: StaticTransformBroadcaster | None = None
        self.stop()

    def start(self, settings: NodeConfig, config: Config) -> None:
        """Open map_file, or begin to listen for a cloud. Raises what the localizer raises, MapUnavailable, OSError, ImportError."""
        self._round, self._settings, self._config = object(), settings, config
        if settings.map_from_topic:
            self._compiler = CloudCompiler()
            self._clouds = self._node.create_subscription(
                PointCloud2, "map_cloud", self._on_cloud, LATCHED
            )
            topic = self._clouds.topic_name
            self._say_of_cloud(f"waiting for a cloud on {topic}, latched as maps are")
            return
        if not settings.map_file:
            raise MapUnavailable(
                "the parameter map_file is empty: name the .i2pmap that `diff2i2p compile-map` made of your cloud"
            )
        self._take(
            settings.map_file, self._open(settings.map_file, settings.weights or None, config)
        )

    def stop(self) -> None:
        """Free the map; what is still being made ready is dropped."""
        if self._clouds:
            self._compiler.stop()
            self._node.destroy_subscription(self._clouds)
        self._round = self._settings = self._clouds = self._compiler = self._message = (
            self.localizer
        ) = None
        self.file = ""

    def close(self) -> None:
        """For good; waits for what is being made ready."""
        self.stop()
        self._background.close()

    def reconfigure(self, settings: NodeConfig, config: Config) -> None:
        """Localize with these parameters from the next image on."""
        self._settings, self._config = settings, config
        if self.localizer:
            self.localizer.config = config

    @property
    def is_started(self) -> bool:
        return self._round is not None

    def _take(self, file: str, localizer) -> None:
        self.file, self.localizer = file, localizer
        self._say(Cause.NO_MAP, "")
        self._say(Cause.MAP_REFUSED, "")
        compiled = localizer.map
        self._say(Cause.NO_WEIGHTS, self._bareness(compiled))
        frame = self._settings.map_frame or compiled.frame_id
        if compiled.origin.any():  # RViz has single precision: it shows large coordinates in blocks
            frame = self._place_origin(frame, compiled.origin)
        points = compiled.points - compiled.origin
        self._points.publish(convert.point_cloud(points, compiled.grey, Header(frame_id=frame)))

    def _place_origin(self, map_frame: str, origin: np.ndarray) -> str:
        """A frame at the origin of a georeferenced map, in TF; its name."""
        frame, T_map_origin = f"{map_frame}_origin", translated(np.eye(4), origin)
        now = self._node.get_clock().now().to_msg()
        self._origins = self._origins or StaticTransformBroadcaster(self._node)
        self._origins.sendTransform(convert.transform(T_map_origin, now, map_frame, frame))
        return frame

    def _bareness(self, compiled) -> str:
        """That a map is used without its weights, unless that is meant; those that ship are found."""
        from diff2i2p.weights import shipped_name  # brings torch

        digest = compiled.header.get("weights_sha256")
        is_meant = self._settings.weights or self._config.matcher == "appearance"
        if digest is None or is_meant or shipped_name(digest):
            return ""
        remedy = "set weights to those, or matcher to appearance"
        return f"the map was compiled with weights and is used without, by appearance: {remedy}"

    # --- another map, asked for

    async def _on_load_map(
        self, request: LoadMap.Request, response: LoadMap.Response
    ) -> LoadMap.Response:
        response.result = LoadMap.Response.RESULT_UNDEFINED_FAILURE
        if not self.is_started:
            self._node.get_logger().warning(
                "load_map: the node is not configured; when it is, it loads map_file"
            )
            return response
        round_, url = self._round, request.map_url or self._settings.map_file
        try:
            file = path_of(url)
            localizer = await self._background.run(
                partial(self._open, file, self._settings.weights or None, self._config)
            )
        except Exception as error:
            response.result = _result(error, url)
            serving = f"'{url}' was not loaded, and {self.file or 'no map'} serves on"
            self._say(Cause.MAP_REFUSED, f"{serving}: {self._words(error)}")
            return response
        if round_ is self._round:
            response.result = LoadMap.Response.RESULT_SUCCESS
            self._node.set_parameters(
                [Parameter("map_file", value=file)]
            )  # what is served is what is told, and what is loaded next time
            self._replace(file, localizer)
        return response

    def _replace(self, file: str, localizer) -> None:
        localizer.config = self._config  # which may have changed while it was made ready
        self._take(file, localizer)
        self._changed()

    def _words(self, error: Exception) -> str:
        """What to tell of an error; of a bug, the traceback goes into the log."""
        if is_mendable(error):
            return str(error)
        self._node.get_logger().error("".join(traceback.format_exception(error)))
        return f"{type(error).__name__}: {error}"

    # --- a map that comes as a cloud

    def _on_cloud(self, message: PointCloud2) -> None:
        """The newest cloud is compiled; one that comes meanwhile waits for its turn, the one before it is forgotten."""
        idle, self._message = self._message is None, message
        if idle:
            self._compile()

    def _compile(self) -> None:
        message, weights, compiler, config = (
            self._message,
            self._settings.weights,
            self._compiler,
            self._config,
        )

        def make() -> tuple[str, object]:
            file = str(compiler.compile(message, weights, config))
            return file, self._open(file, weights or None, config)

        count, topic = message.width * message.height, self._clouds.topic_name
        self._say_of_cloud(f"compiling the {count:,} points of {topic}")
        self._background.run(make).add_done_callback(
            partial(self._on_compiled, self._round, message)
        )

    def _on_compiled(self, round_: object, message: PointCloud2, future: Future) -> None:
        error = future.exception()
        if round_ is not self._round:
            return
        if self._message is not message:
            return self._compile()
        self._message = None
        if error:
            return self._say_of_cloud(self._words(error))
        self._say(Cause.CLOUD, "")
        self._replace(*future.result())

    def _say_of_cloud(self, problem: str) -> None:
        """How far the map from the topic is; an error while there is no other."""
        if self.localizer:
            self._say(Cause.CLOUD, problem)
        else:
            self._say(Cause.NO_MAP, f"no map yet: {problem}")


def _result(error: Exception, url: str) -> int:
    """Which of LoadMap's failures it is."""
    if not is_mendable(error):
        return LoadMap.Response.RESULT_UNDEFINED_FAILURE
    try:
        found = Path(path_of(url)).is_file()
    except MapUnavailable:
        found = False
    return (
        LoadMap.Response.RESULT_INVALID_MAP_DATA
        if found
        else LoadMap.Response.RESULT_MAP_DOES_NOT_EXIST
    )


def path_of(url: str) -> str:
    """The file of a map_url: a path, file:///path, or package://package/path. Raises MapUnavailable."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        if not url:
            raise MapUnavailable("neither the request names a map_url nor the node has a map_file")
        return url
    if scheme == "file":
        return rest
    if scheme != "package":
        raise MapUnavailable(
            f"{url} is no map_url: give a path, file:///path, or package://package/path"
        )
    package, _, path = rest.partition("/")
    try:
        return str(Path(get_package_share_directory(package)) / path)
    except (PackageNotFoundError, ValueError) as error:
        raise MapUnavailable(
            f"{url} names the package '{package}', which is not installed"
        ) from error
