# SPDX-License-Identifier: Apache-2.0
"""The parts of the node `localizer`.

maps                                                        what is localized in (cloud_map: made of a cloud on a topic)
session: camera_topics -> worker -> pipeline -> transforms  an image on its way (guesses: where to look first; draw: its picture)
health                                                      what is wrong, in words
"""
