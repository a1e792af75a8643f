# SPDX-License-Identifier: Apache-2.0
"""The simulated robot without ROS: what it is, how it moves, what its wheels believe, what its camera sees."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p_sim.robot.model import Robot, RobotError
from diff2i2p_sim.robot.pilot import Pilot
from diff2i2p_sim.robot.simulation import (
    BODY,
    OdometryConfig,
    Place,
    Simulation,
    SimulationError,
    numbers,
    open_simulation,
    place_of,
)
from diff2i2p_sim.world import World

EXACT = OdometryConfig(drift=0.0, turn_drift=0.0, noise=0.0)


@pytest.fixture(scope="module")
def worlds(root):
    return root / "launch" / "worlds"


@pytest.fixture(scope="module")
def world(worlds) -> World:
    return World.from_sdf(worlds / "office.sdf")


@pytest.fixture(scope="module")
def robot(worlds) -> Robot:
    return Robot.from_sdf(worlds / "robot.sdf")


@pytest.fixture
def simulation(world, robot) -> Simulation:
    return Simulation(world, robot, Place(2.0, 3.9, 0.0))


def test_the_shipped_robot_looks_ahead_from_its_mast(robot):
    assert (robot.camera.width, robot.camera.height) == (320, 240)
    assert robot.camera.K == pytest.approx((230, 230, 159.5, 119.5), abs=0.1)
    np.testing.assert_allclose(robot.T_base_camera @ [0, 0, 1, 1], [1, 0, 1, 1], atol=1e-12)
    assert (robot.odom_frame, robot.base_frame, robot.camera_frame) == (
        "odom",
        "base_link",
        "camera",
    )
    x, y, z, *quaternion = robot.mount.values()
    assert (x, y, z) == (0, 0, 1)
    np.testing.assert_allclose(
        Rotation.from_quat(quaternion).as_matrix(), robot.T_base_camera[:3, :3], atol=1e-12
    )


def test_both_simulators_drift_alike(worlds):
    text = (worlds / "robot.sdf").read_text()
    true, believed = (
        text.split("<radius>")[-1].split("<")[0],
        text.split("<wheel_radius>")[1].split("<")[0],
    )
    assert float(believed) / float(true) == pytest.approx(1 + OdometryConfig().drift)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "not the SDF model"),
        ("<sdf/>", "not the SDF model"),
        ("<sdf><model><link><sensor type='lidar'/></link></model></sdf>", "a camera sensor"),
        ("<sdf><model><link><sensor type='camera'><camera/></sensor></link><plugin name='gz::sim::systems::DiffDrive'/></model></sdf>",
         "<camera> has no <image/width>"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_robot_is_refused_by_name_with_the_reason(tmp_path, text, reason):
    (tmp_path / "foreign.sdf").write_text(text)
    with pytest.raises(RobotError, match="foreign.sdf") as refused:
        Robot.from_sdf(tmp_path / "foreign.sdf")
    assert reason in str(refused.value)


def test_it_drives_as_it_is_told_and_no_faster_than_it_can(simulation):
    for _ in range(10):
        simulation.step(0.1, 5.0, 0.0, EXACT)
    assert simulation.place.x - 2.0 == pytest.approx(simulation.robot.max_speed)
    for _ in range(10):
        simulation.step(0.1, 0.0, -0.5, EXACT)
    assert simulation.place.yaw == pytest.approx(-0.5)


def test_an_arc_is_driven_as_an_arc():
    place = Place(0.0, 0.0, 0.0)
    for _ in range(1000):
        place = place.moved(np.pi / 1000, np.pi / 1000)  # half a circle of radius 1
    assert (place.x, place.y, place.yaw) == pytest.approx((0, 2, np.pi), abs=1e-5)


def test_walls_stop_it_and_it_can_turn_away(simulation):
    for _ in range(200):
        simulation.step(0.1, 0.6, 0.0, EXACT)
    assert (
        simulation.floor.clearance_at(np.array([[simulation.place.x, simulation.place.y]]))[0]
        >= BODY
    )
    before = simulation.place
    for _ in range(30):
        simulation.step(0.1, 0.0, 1.2, EXACT)
    for _ in range(10):
        simulation.step(0.1, 0.6, 0.0, EXACT)
    assert simulation.place.x < before.x - 0.3


def test_odometry_drifts_by_its_share_and_does_not_notice_a_kidnapping(simulation):
    error = OdometryConfig(drift=0.1, turn_drift=-0.1, noise=0.0)
    for _ in range(10):
        simulation.step(0.1, 0.5, 0.0, error)
    assert simulation.odometry.x == pytest.approx(0.55)
    simulation.place = Place(2.8, 0.9, 1.0)
    simulation.step(1.0, 0.0, 1.0, error)
    assert (simulation.odometry.x, simulation.odometry.yaw) == pytest.approx((0.55, 0.9))


def test_a_seed_gives_the_same_noise_again_and_another_seed_another(world, robot):
    def driven(seed: int) -> Place:
        simulation = Simulation(world, robot, Place(2.0, 3.9, 0.0), seed)
        for _ in range(5):
            simulation.step(0.1, 0.5, 0.3, OdometryConfig(noise=0.05))
        return simulation.odometry

    assert driven(1) == driven(1) != driven(2)


def test_the_camera_sees_the_world_its_own_noise_and_in_the_dark_nothing_else(simulation):
    camera = simulation.robot.camera.resized(80)
    clean, depth = simulation.shoot(camera, "world", 0.0)
    expected, depths = simulation.world.render(camera, simulation.T_map_camera)
    np.testing.assert_array_equal(clean, expected[0])
    np.testing.assert_array_equal(depth, depths[0])
    assert 1 < (simulation.shoot(camera, "world", 3.0)[0] - clean.astype(float)).std() < 4
    dark, depth_in_the_dark = simulation.shoot(camera, "out", 3.0)
    assert dark.max() < 20
    np.testing.assert_array_equal(depth_in_the_dark, depth)
    assert simulation.shoot(camera, "lamp", 0.0)[0].mean() < clean.mean()


def test_a_pilot_drives_to_its_goals_one_after_another_and_stops(simulation):
    goals = [(3.3, 3.9), (2.8, 0.9)]  # the second is in the corridor, behind a door
    pilot, reached = Pilot(simulation.floor, wander=False, seed=0), []
    pilot.goals.extend(goals)
    for _ in range(600):
        simulation.step(0.1, *pilot.command(simulation.place), EXACT)
        if len(pilot.goals) < len(goals) - len(reached):
            reached.append((simulation.place.x, simulation.place.y))
    assert np.linalg.norm(np.subtract(reached, goals), axis=1).max() < 0.25
    assert not pilot.goals and pilot.command(simulation.place) == (0.0, 0.0)


def test_a_pilot_whose_robot_was_carried_away_finds_another_way(simulation):
    pilot = Pilot(simulation.floor, wander=False, seed=0)
    pilot.goals.append((3.3, 3.9))
    simulation.step(0.1, *pilot.command(simulation.place), EXACT)
    simulation.place = Place(2.8, 0.9, 0.0)
    pilot.replan()
    for _ in range(400):
        simulation.step(0.1, *pilot.command(simulation.place), EXACT)
    assert np.hypot(simulation.place.x - 3.3, simulation.place.y - 3.9) < 0.25


def test_a_wandering_pilot_sees_the_whole_floor(simulation):
    pilot, places = Pilot(simulation.floor, wander=True, seed=3), []
    for _ in range(2000):
        simulation.step(0.1, *pilot.command(simulation.place), EXACT)
        places.append(simulation.place.y)
    assert min(places) < 1.2 and max(places) > 4.0


def test_without_a_start_it_stands_where_the_floor_is_freest(world):
    place = place_of("", world)
    assert 1.87 < place.y < 5.62  # in the lab, not in the corridor
    assert place_of("1 2 -0.5", world) == Place(1.0, 2.0, -0.5)


@pytest.mark.parametrize("text", ["1 2", "1 2 3 4", "here", "1 2 nan"])
def test_a_text_that_is_no_place_is_refused_with_the_name_of_the_parameter(text):
    with pytest.raises(SimulationError, match=f"start takes 3 numbers .* not '{text}'"):
        numbers(text, 3, "start")


def test_what_is_to_be_simulated_must_be_named(worlds):
    with pytest.raises(SimulationError, match="the parameters `world` and `robot`"):
        open_simulation(World.from_sdf, "", str(worlds / "robot.sdf"), 0, "", 0)


def test_another_day_is_another_world_with_the_same_walls(world, worlds):
    other = open_simulation(
        lambda path: world, str(worlds / "office.sdf"), str(worlds / "robot.sdf"), 1, "", 0
    ).world
    assert other != world and other.rooms == world.rooms
