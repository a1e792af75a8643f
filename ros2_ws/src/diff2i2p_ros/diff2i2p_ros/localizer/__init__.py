# SPDX-License-Identifier: Apache-2.0
"""The parts of the node `localizer`.

map_server                                                  what is localized in (cloud_map: made of a cloud on a topic)
session: camera_topics -> worker -> pipeline -> transforms  an image on its way (pose_priors: where to look first; draw: its picture)
health                                                      what is wrong, in words
"""
