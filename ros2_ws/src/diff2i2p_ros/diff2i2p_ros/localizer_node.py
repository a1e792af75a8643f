# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node `localizer`: camera images in, the camera's pose in the map out, or the reason why there is none."""

import functools
import sys
import traceback
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from diff2i2p.config import Config
from diff2i2p.parameters import ConfigError
from diff2i2p_ros import parameters
from diff2i2p_ros.localizer.causes import Cause
from diff2i2p_ros.localizer.console import Console
from diff2i2p_ros.localizer.health import Health
from diff2i2p_ros.localizer.map_server import Maps
from diff2i2p_ros.localizer.session import Session
from diff2i2p_ros.node_main import is_mendable, run
from diff2i2p_ros.parameters import NodeConfig

SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


def open_localizer(map_file: str, weights: str | None, config: Config):
    """`Localizer.open`, imported only now: torch takes seconds."""
    from diff2i2p.localization.localizer import Localizer

    return Localizer.open(map_file, weights, config)


def told(transition: Callable) -> Callable:
    """A transition whose exceptions are told; rclpy swallows them."""

    @functools.wraps(transition)
    def telling(node: "LocalizerNode", state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as error:
            node.get_logger().error(traceback.format_exc())
            problem = f"{transition.__name__} failed with {type(error).__name__}: {error}"
            node._say(Cause.FAILURE, problem)
            return ERROR

    return telling


class LocalizerNode(LifecycleNode):
    """Parameters, lifecycle, services, diagnostics. `localizer_factory(map_file, weights, config)` gives the localizer."""

    def __init__(self, localizer_factory: Callable = open_localizer, **options):
        super().__init__("localizer", **options)
        self._names = parameters.declare(self, NodeConfig()) | parameters.declare(self, Config())
        self.add_on_set_parameters_callback(self._validate)
        self.add_post_set_parameters_callback(self._reconfigure)
        self._active = False
        self._session: Session | None = None
        self._settings, self._config = NodeConfig(), Config()
        self._health, self._console = Health(), Console(self.get_logger())
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._maps = Maps(self, localizer_factory, self._say, self._on_map)
        self.create_service(Trigger, "relocalize", self._relocalize)
        self.create_service(Trigger, "set_initial_pose", self._set_initial_pose)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still, or jump
        self.create_timer(1.0, self._beat, clock=steady)
        self._starter = self.create_timer(0.0, self._start, clock=steady)

    def _start(self) -> None:
        """Without a lifecycle manager: configure and activate by ourselves; where that fails, again each second, unless it is a bug."""
        self._starter.timer_period_ns = 1_000_000_000
        result = self.trigger_configure() if self.get_parameter("autostart").value else ERROR
        if result != FAILURE:
            self._starter.cancel()
        if result == SUCCESS:
            self.trigger_activate()

    # --- lifecycle

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters, load map and weights, show the map. Fails with the reason on /diagnostics, and may be tried again."""
        try:
            self._settings, self._config = (
                parameters.read(self, NodeConfig()),
                parameters.read(self, Config()),
            )
            self._maps.start(self._settings, self._config)
        except Exception as error:
            self._maps.stop()
            if not is_mendable(error):
                raise
            self._say(Cause.NO_MAP, str(error))
            return FAILURE
        self._say(Cause.FAILURE, "")
        self.get_logger().info(f"configured: {self._maps.file or 'no map yet'}")
        return SUCCESS

    @told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen to the camera, as soon as there is a map."""
        if self._maps.localizer:
            self._open_session()
        self._active = True
        return SUCCESS

    @told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen no more."""
        session, self._session, self._active = self._session, None, False
        if session:
            session.close()
            if self.context.ok():  # else there is no log any more
                self.get_logger().info("deactivated: no images are looked at any more")
        return SUCCESS

    @told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free map and weights."""
        self._maps.stop()
        self._health.forget()
        self.get_logger().info("cleaned up: map and weights are freed")
        return SUCCESS

    @told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Down from wherever we are, also out of an error."""
        self.on_deactivate(state)
        self._maps.stop()
        return SUCCESS

    on_error = on_shutdown

    def _open_session(self) -> None:
        self._session = Session(self, self._maps.localizer, self._settings, self._config, self._say)
        self.get_logger().info(
            f"localizing the images of {self._session.topic} in {self._maps.file}"
        )

    def _on_map(self) -> None:
        """Another map is ready."""
        if self._session:
            self._session.enter(self._maps.localizer)
            self.get_logger().info(f"localizing in {self._maps.file} from now on")
        elif self._active:
            self._open_session()

    # --- parameters

    def _validate(self, changes: list[Parameter]) -> SetParametersResult:
        """Refuse what cannot be, and what would have no effect."""
        late = [
            change.name
            for change in changes
            if change.name in self._names and not parameters.is_live(change.name)
        ]
        if late and self._maps.is_started:
            reason = f"{', '.join(late)} is read when the node is configured: deactivate it and clean it up first"
            return SetParametersResult(successful=False, reason=reason)
        try:
            parameters.read(self, NodeConfig(), changes), parameters.read(self, Config(), changes)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _reconfigure(self, changes: list[Parameter]) -> None:
        """Let the changes of live parameters take effect."""
        if not self._maps.is_started or not self._names & {change.name for change in changes}:
            return
        self._settings, self._config = (
            parameters.read(self, NodeConfig()),
            parameters.read(self, Config()),
        )
        self._maps.reconfigure(self._settings, self._config)
        if self._session:
            self._session.reconfigure(self._settings, self._config)

    # --- services and diagnostics

    def _relocalize(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._session is not None
        response.message = (
            "the next image is searched in the whole map"
            if response.success
            else "the node is not active"
        )
        if self._session:
            self._session.restart()
            self._beat()
        return response

    def _set_initial_pose(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success = self._session is not None
        response.message = "the node is not active"
        if self._session:
            response.message = "the next image is looked for where initial_pose says"
            self._session.take_initial_pose()
        return response

    def _say(self, cause: Cause, problem: str) -> None:
        """Onto /diagnostics at once, when it is news."""
        if self._health.note(cause, problem):
            self._report()

    def _beat(self) -> None:
        """Once a second: what only time tells, and the report."""
        self._health.watch(self._session)
        self._report()

    def _report(self) -> None:
        self._console.tell(self._health.problems)
        name = f"{self.get_fully_qualified_name()}: localization"
        header = Header(stamp=self.get_clock().now().to_msg())
        self._diagnostics.publish(self._health.array(name, self._maps.file, header))

    def destroy_node(self) -> None:
        self.on_shutdown(None)
        self._maps.close()
        super().destroy_node()


def main(args: list[str] | None = None, localizer_factory: Callable = open_localizer) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run(lambda: LocalizerNode(localizer_factory), args)


if __name__ == "__main__":
    sys.exit(main())
