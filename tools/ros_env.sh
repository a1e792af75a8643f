# SPDX-License-Identifier: Apache-2.0
# The environment in which .venv's Python finds the libraries of the ROS wheels:
# `source tools/ros_env.sh` (bash), as make does. Set as a whole or not at all: the guard without
# the paths breaks `import rclpy`, and so do another ROS's paths.

_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
_venv=$_root/.venv

: "${PYTHONPATH:=}" "${AMENT_PREFIX_PATH:=}"
_kept= # of PYTHONPATH: what belongs to no other ROS that has been sourced
for _path in ${PYTHONPATH//:/ }; do
    for _prefix in ${AMENT_PREFIX_PATH//:/ }; do
        [[ $_path != "$_prefix"/* ]] || continue 2
    done
    _kept=${_kept:+$_kept:}$_path
done
export PYTHONPATH=$_kept
[ -n "$_kept" ] || unset PYTHONPATH

export PATH=$_venv/bin:$PATH
export LD_LIBRARY_PATH=$_venv/lib:$(echo "$_venv"/lib/python3.*/site-packages/ros_*.libs | tr ' ' :)
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 # or the wheels start every Python process twice, to set the path above
export AMENT_PREFIX_PATH=$_venv         # the wheels leave it unset
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
export FASTRTPS_DEFAULT_PROFILES_FILE=${FASTRTPS_DEFAULT_PROFILES_FILE:-$_root/launch/dds/fastdds.xml}

unset _root _venv _kept _path _prefix
