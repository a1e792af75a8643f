# SPDX-License-Identifier: Apache-2.0
"""The parts of the node `localizer`.

map_server                      what is localized in (cloud_map: made of a cloud on a topic)
session                         an image on its way, from camera_topics through worker and
                                pipeline to pose_topics and transforms (pose_priors: where to
                                look first; stopwatch: how long ago)
traffic, health, causes         what has come and gone, and what is wrong, on /diagnostics
console                         the same in the log
"""
