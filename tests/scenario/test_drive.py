# SPDX-License-Identifier: Apache-2.0
"""A robot wakes up, drives, is carried away, loses the light, gets another map: what the node publishes is right, or nothing."""

import numpy as np
from nav_msgs.srv import LoadMap

from diff2i2p.mapping.compiled_map import CompiledMap

ROUND = "2.2 2.6, 1.6 4.2, 2.6 3.4, 2.0 4.4"  # metres: a drive through the lab


def test_a_robot_that_wakes_up_anywhere_knows_where_it_is_without_an_initial_pose(loop):
    loop.start()
    metres, degrees = loop.witness.error(loop.localized()["stamp"])
    assert metres < 0.25 and degrees < 5


def test_a_robot_with_an_rgbd_camera_is_localized_with_the_depth_of_its_images(loop):
    loop.start(node={"use_depth": True}, depth=True)
    metres, degrees = loop.witness.error(loop.localized()["stamp"])
    assert metres < 0.1 and degrees < 2
    assert not loop.witness.said("localizing without")


def test_on_a_drive_map_to_odom_makes_good_what_odometry_drifts(loop):
    loop.start(waypoints=ROUND, **{"odometry.drift": 0.15, "odometry.turn_drift": 0.15})
    witness = loop.witness
    good = [answer["stamp"] for answer in loop.answers(40) if answer["status"] == "OK"]
    assert len(good) > 25
    assert witness.drift(good[-1]) > 0.4
    # driving on meanwhile: a pause could keep back the odometry that the last image waits for
    assert loop.until(
        lambda: witness.basis() is not None and float(witness.basis()) >= float(good[-1])
    )
    loop.set(paused=True)
    assert loop.until(lambda: witness.basis() is not None)
    metres, degrees = witness.tf_error(witness.basis())
    assert metres < 0.2 and degrees < 5


def test_a_corridor_with_little_to_see_is_driven_through_without_a_wrong_pose(loop):
    loop.start(start="2.4 2.8 -1.2", waypoints="2.8 1.0, 1.2 0.9")
    answers = loop.answers(36)
    loop.set(paused=True)
    last = answers[-1]["stamp"]
    assert (
        loop.witness.truth[last][0, 3] < 1.8 and loop.witness.truth[last][1, 3] < 1.2
    )  # it has come through
    errors = [loop.witness.error(stamp) for stamp in loop.witness.poses]
    assert len(errors) > 0.8 * len(answers) and max(metres for metres, _ in errors) < 0.25
    assert loop.witness.tf_error(last)[0] < 0.3


def test_a_kidnapped_robot_says_nothing_until_it_knows_where_it_is_again(loop):
    loop.start(start="2.0 3.9 -1.57")
    loop.localized()
    loop.kidnap(2.8, 0.9, 2.36)
    stamp = loop.localized()["stamp"]
    while abs(loop.witness.truth[stamp][1, 3] - 0.9) > 0.1:  # the answer to an image from before
        stamp = loop.localized()["stamp"]
    assert loop.until(lambda: loop.witness.tf_error(stamp)[0] < 0.25)


def test_a_robot_that_stares_at_a_bare_wall_is_not_sure_and_knows_again_when_it_turns(loop):
    loop.start(start="2.8 0.9 2.36")
    loop.localized()
    loop.kidnap(2.55, 0.45, -np.pi / 2)
    loop.answers(1)  # to the image from before
    blind = loop.answers(6)
    assert all(answer["status"] != "OK" and answer["reason"] for answer in blind)
    loop.turn(-1.2, images=8)
    loop.localized()


def test_in_the_dark_there_is_no_pose_but_the_reason_and_with_the_light_the_pose_is_back(loop):
    loop.start()
    loop.localized()
    loop.set(lighting="out")
    loop.answers(1)  # to the image from before
    dark = loop.answers(6)
    assert all(answer["status"] != "OK" and answer["reason"] for answer in dark)
    assert not {answer["stamp"] for answer in dark} & loop.witness.poses.keys()
    assert loop.until(lambda: loop.witness.said(dark[-1]["reason"]))
    loop.set(lighting="world")
    loop.localized()


def test_a_drive_goes_on_in_a_new_map_while_the_old_one_serves_until_it_is_there(
    loop, site, tmp_path
):
    T_new = np.eye(4)
    T_new[:3, 3] = 100.0, -50.0, 0.0
    resurveyed = moved(site.map_file, T_new, tmp_path / "resurveyed.i2pmap")
    loop.start(waypoints=ROUND)
    loop.witness.T_maps.append(T_new)
    assert loop.witness.poses[loop.localized()["stamp"]][0, 3] < 50
    client = loop.witness.create_client(LoadMap, "load_map")
    assert loop.until(client.service_is_ready)
    loaded = client.call_async(LoadMap.Request(map_url=str(resurveyed)))
    assert loop.until(loaded.done) and loaded.result().result == LoadMap.Response.RESULT_SUCCESS
    loop.answers(2)
    assert loop.witness.poses[loop.localized()["stamp"]][0, 3] > 50


def moved(map_file, T_new_map: np.ndarray, out):
    """The same map in other coordinates; returns its file."""
    old = CompiledMap.open(map_file)
    shift = T_new_map[:3, 3]
    places = {
        name: tensor + tensor.new_tensor(shift)
        for name, tensor in old.tensors.items()
        if name.endswith(("points", "centres"))
    }
    CompiledMap(out, old.header, old.tensors | places).save()
    return out
