# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the node: camera, calibration, TF, and a camera faster than the localizer."""

from test_drive import ROUND


def test_while_the_camera_is_out_map_to_odom_carries_on_and_with_the_camera_the_poses_return(loop):
    loop.start()
    loop.localized()
    loop.set(camera_on=False, waypoints=ROUND)
    transforms = loop.witness.transforms
    assert loop.until(lambda: loop.witness.said("no image on /image"))
    assert loop.witness.transforms > transforms
    newest = max(loop.witness.truth.keys() & loop.witness.odometry.keys(), key=float)
    assert loop.witness.drift(newest) < 0.2 and loop.witness.tf_error(newest)[0] < 0.3
    loop.set(camera_on=True)
    loop.localized()


def test_another_resolution_of_the_camera_is_localized_with_its_own_calibration(loop):
    loop.start(waypoints=ROUND)
    loop.localized()
    loop.set(image_width=400)
    loop.answers(2)
    loop.localized()
    loop.set(image_width=0)
    loop.answers(2)
    loop.localized()


def test_odometry_that_comes_late_is_waited_for_and_taken_at_the_stamp_of_the_image(loop):
    loop.start(waypoints=ROUND, **{"odometry.lag": 0.2, "odometry.drift": 0.15})
    assert sum(answer["status"] == "OK" for answer in loop.answers(12)) > 5
    assert loop.until(lambda: loop.witness.T_map_odom is not None)
    loop.set(paused=True)
    assert loop.until(lambda: loop.witness.basis())
    assert loop.witness.tf_error(loop.witness.basis())[0] < 0.25


def test_without_odometry_in_tf_there_are_poses_but_no_map_to_odom_and_diagnostics_say_so(loop):
    loop.start(**{"odometry.tf": False})
    loop.localized()
    assert loop.until(lambda: loop.witness.said("no odometry odom -> camera in TF"))
    assert not loop.witness.transforms
    loop.set(odometry__tf=True)
    loop.answers(2)
    assert loop.until(lambda: loop.witness.transforms)


def test_a_camera_faster_than_the_localizer_gets_answers_to_its_newest_images(loop):
    loop.start(lockstep=False, rate=25.0, speed=4.0, waypoints=ROUND)
    stamps = [float(answer["stamp"]) for answer in loop.answers(20)]
    assert stamps == sorted(set(stamps))
    assert loop.until(lambda: int(loop.witness.figures.get("skipped", 0)) > 0)
    loop.set(paused=True)
    newest = loop.sim.now
    assert loop.until(lambda: newest - float(loop.witness.answers[-1]["stamp"]) < 0.1)
