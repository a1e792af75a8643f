# SPDX-License-Identifier: Apache-2.0
"""The images are not built here: what can be said of their files without Docker."""

import os
import re
import shutil
import subprocess
from importlib import metadata

import pytest
import yaml

RECIPES = ("robot.Dockerfile", "training.Dockerfile")


@pytest.fixture(params=RECIPES)
def recipe(request, root) -> list[tuple[str, str]]:
    """(instruction, rest) of each line, continued lines joined."""
    text = (root / "docker" / request.param).read_text()
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def rest(recipe, instruction: str) -> list[str]:
    return [words for name, words in recipe if name == instruction]


def test_hadolint_finds_nothing(root):
    if not shutil.which("hadolint"):
        pytest.skip("hadolint is not installed")
    done = subprocess.run(
        ["hadolint", *(root / "docker" / name for name in RECIPES)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_base_is_pinned(recipe):
    assert all(
        re.fullmatch(r"[a-z]+:[\w.-]*\d[\w.-]*|ros:jazzy-[\w-]+-noble", base)
        for base in rest(recipe, "FROM")
    )


def test_it_runs_as_a_user_that_is_not_root(recipe):
    after = [name for name, _ in recipe[[name for name, _ in recipe].index("USER") :]]
    assert (
        rest(recipe, "USER")[-1] not in ("root", "0") and "RUN" not in after and "COPY" not in after
    )


def test_what_is_copied_exists_and_is_not_ignored(recipe, root):
    let_in = {
        line[1:]
        for line in (root / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for words in rest(recipe, "COPY"):
        for source in words.split()[:-1]:
            assert (root / source).exists() and source.split("/")[0] in let_in, source


def test_packages_are_pinned_and_no_cache_is_left(recipe, root):
    for command in rest(recipe, "RUN"):
        for part in command.split("&&"):
            if "apt-get install" in part:
                assert (
                    "--no-install-recommends" in part and "rm -rf /var/lib/apt/lists/*" in command
                )
            if "pip install" in part:
                assert "--no-cache-dir" in part and (
                    "-c " in part or "--no-deps" in part or "gpu-requirements.txt" in part
                )


def test_requirements_come_from_the_packages_metadata_alone(recipe, root):
    """Not one is named in a recipe, and all of them are locked."""
    installs = [part for command in rest(recipe, "RUN") for part in command.split("&&")]
    installs = [part for part in installs if "pip install" in part]
    assert any("/tmp/diff2i2p[onnxruntime]" in part for part in installs)
    for part in installs:
        words = re.split(r"\bpip install\b", part)[1].rstrip("; fi").split()
        assert all(word.strip('"').startswith(("-", "/tmp/", "/src/")) for word in words), part
    pins = (root / "requirements.lock").read_text().splitlines()
    locked = {normal(line) for line in pins if not line.startswith("#")}
    assert {normal(name) for name in metadata.requires("diff2i2p")} <= locked | {"rerun-sdk"}


def normal(requirement: str) -> str:
    """The name in a requirement or a pin, as packages are compared."""
    return re.match(r"[\w.-]+", requirement).group().lower().replace("_", "-")


def test_it_says_whether_it_is_healthy_and_starts_without_a_shell(recipe):
    assert rest(recipe, "HEALTHCHECK")
    for words in rest(recipe, "ENTRYPOINT") + rest(recipe, "CMD"):
        assert isinstance(yaml.safe_load(words), list)


def test_no_host_of_a_registry_is_named(root):
    texts = [path.read_text() for path in (root / "docker").iterdir()]
    assert not [text for text in texts if re.search(r"https?://|\b[\w-]+\.(io|com|org|net)/", text)]


def test_services_are_built_from_these_recipes_and_may_do_little(root):
    compose = yaml.safe_load((root / "docker" / "compose.yaml").read_text())
    assert set(compose["services"]) == {"localizer", "localizer-gpu", "training"}
    for service in compose["services"].values():
        assert (root / service["build"]["dockerfile"]).is_file() and service["build"][
            "context"
        ] == ".."
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == [
            "no-new-privileges:true"
        ]
        assert all(
            volume.endswith(":ro") or volume.startswith("runs:") for volume in service["volumes"]
        )


def test_the_scripts_parse(root):
    compile((root / "docker" / "healthcheck.py").read_text(), "healthcheck.py", "exec")
    subprocess.run(["bash", "-n", root / "docker" / "entrypoint.sh"], check=True)
    assert os.access(root / "docker" / "entrypoint.sh", os.X_OK)
