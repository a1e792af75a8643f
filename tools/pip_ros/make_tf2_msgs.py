# SPDX-License-Identifier: Apache-2.0
"""Build `tf2_msgs/TFMessage` into the current virtual environment: no wheel holds it, but the ROS wheels hold the generators."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PACKAGE = "tf2_msgs"
MESSAGE = "TFMessage"
DEFINITION = "geometry_msgs/TransformStamped[] transforms\n"

PREFIX = Path(sys.prefix)
DESTINATION = Path(sysconfig.get_path("platlib")) / PACKAGE
EXTENSION = f"{PACKAGE}_s__rosidl_typesupport_c{sysconfig.get_config_var('EXT_SUFFIX')}"
# Fast DDS asks for both.
TYPE_SUPPORTS = ("rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c")


def main() -> None:
    """Generate, compile and install, unless that has been done already."""
    if all(library(name).exists() for name in TYPE_SUPPORTS):
        return
    os.environ.setdefault(
        "AMENT_PREFIX_PATH", sys.prefix
    )  # the wheels leave it unset; the generators find their templates by it
    with tempfile.TemporaryDirectory(prefix=PACKAGE) as folder:
        work = Path(folder)
        generate(work)
        link(compile_sources(work), work / PACKAGE / EXTENSION)
        install(work / PACKAGE)
    print(f"{PACKAGE} built into {DESTINATION}")


def generate(work: Path) -> None:
    """Write the C, C++ and Python sources of the message into work/tf2_msgs, so that `#include "tf2_msgs/msg/..."` resolves."""
    from rosidl_adapter.msg import convert_msg_to_idl
    from rosidl_generator_c.cli import GenerateC
    from rosidl_generator_py.cli import GeneratePython
    from rosidl_generator_type_description.cli import HashTypeDescription
    from rosidl_typesupport_c.cli import GenerateCTypesupport
    from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
    from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

    out = work / PACKAGE
    definition = work / "definition" / "msg" / f"{MESSAGE}.msg"
    definition.parent.mkdir(parents=True)
    definition.write_text(DEFINITION)
    (out / "msg").mkdir(parents=True)
    with contextlib.redirect_stdout(io.StringIO()):  # it reports every file it reads and writes
        convert_msg_to_idl(work / "definition", PACKAGE, Path("msg") / definition.name, out / "msg")

    inputs = PACKAGE, [f"{out}:msg/{MESSAGE}.idl"], [str(PREFIX / "share")]
    GenerateC("c").generate(
        *inputs, out, HashTypeDescription("hash").generate_type_hashes(*inputs, out)
    )
    GenerateFastRTPSCTypesupport("fastrtps_c").generate(*inputs, out)
    GenerateIntrospectionCTypesupport("introspection_c").generate(
        *inputs, work / "introspection" / PACKAGE
    )  # a file name clashes
    GenerateCTypesupport("c", typesupport_implementations=TYPE_SUPPORTS).generate(*inputs, out)
    GeneratePython("py", typesupport_implementations=["rosidl_typesupport_c"]).generate(
        *inputs, out
    )


def compile_sources(work: Path) -> list[Path]:
    """Compile everything that was generated, in parallel. Returns the object files."""
    import numpy

    ros_headers = sorted((PREFIX / "include").iterdir())
    folders = [
        work,
        work / "introspection",
        PREFIX / "include",
        *ros_headers,
        sysconfig.get_path("include"),
        numpy.get_include(),
    ]
    options = ["-O1", "-fPIC", "-w", *(f"-I{folder}" for folder in folders)]
    compilers = {".c": ["gcc", "-std=gnu11"], ".cpp": ["g++", "-std=c++17"]}
    sources = sorted(path for path in work.rglob("*") if path.suffix in compilers)
    jobs = [
        subprocess.Popen(
            [*compilers[path.suffix], *options, "-c", path, "-o", path.with_suffix(".o")]
        )
        for path in sources
    ]
    if any([job.wait() for job in jobs]):
        sys.exit(f"{PACKAGE} did not compile: see the messages of the compiler above")
    return [path.with_suffix(".o") for path in sources]


def link(objects: list[Path], extension: Path) -> None:
    """Link the one Python extension, which is message, type support and binding together."""
    libraries = PREFIX / "lib"
    kinds = ("rosidl_generator_c", "rosidl_generator_py", "rosidl_typesupport_c", *TYPE_SUPPORTS)
    messages = [
        path.stem.removeprefix("lib")
        for kind in kinds
        for path in sorted(libraries.glob(f"lib*__{kind}.so"))
    ]
    needed = [
        *messages,
        *TYPE_SUPPORTS,
        "fastcdr",
        "rosidl_typesupport_c",
        "rosidl_runtime_c",
        "rcutils",
    ]
    search = [
        f"-L{libraries}",
        f"-Wl,-rpath-link,{libraries}",
        "-Wl,--as-needed",
        "-Wl,--allow-shlib-undefined",
    ]
    subprocess.run(
        ["g++", "-shared", "-o", extension, *objects, *search, *(f"-l{name}" for name in needed)],
        check=True,
    )


def install(built: Path) -> None:
    """Copy the package into the environment, and name its extension as the libraries that ROS loads for each type support."""
    (built / "__init__.py").touch()
    for path in [*built.rglob("*.py"), *built.rglob("*.idl"), built / EXTENSION]:
        target = DESTINATION / path.relative_to(built)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for name in TYPE_SUPPORTS:
        library(name).unlink(missing_ok=True)
        library(name).symlink_to(DESTINATION / EXTENSION)


def library(type_support: str) -> Path:
    """The file that ROS loads for a type support."""
    return PREFIX / "lib" / f"lib{PACKAGE}__{type_support}.so"


if __name__ == "__main__":
    main()
