# SPDX-License-Identifier: Apache-2.0
"""What was fitted to data: confidence.yaml, read once and checked name by name."""

from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np

from diff2i2p.files import YamlError, read_yaml
from diff2i2p.localization.evidence import REGRESSED, Evidence
from diff2i2p.pose.pnp import Pose

PATH = Path(__file__).with_name("confidence.yaml")
SOURCE = {"data", "command", "commit", "seeds"}  # what is told of every number


class CalibrationError(ValueError):
    """A calibration that cannot be used: says what is wrong and what to do."""


@dataclass(frozen=True)
class Regression:
    """Logistic regression on all evidence but the uniqueness."""

    coefficients: dict[str, float]
    bias: float

    def probability(self, evidence: Evidence) -> float:
        """That the pose is within 0.25 m and 5 degrees, as far as the evidence itself tells."""
        weighted = [self.coefficients[name] * getattr(evidence, name) for name in REGRESSED]
        return float(1 / (1 + np.exp(-(sum(weighted) + self.bias))))


@dataclass(frozen=True)
class Constants:
    """Single fitted numbers; confidence.yaml says what each one means and where it is from."""

    uniqueness_sharpness: float
    covariance_appearance: float
    covariance_network: float
    covariance_tracks: float
    floor_metres: float
    floor_radians: float
    odds_expected: float
    odds_unproven: float


@dataclass(frozen=True)
class Calibration:
    with_intensity: Regression  # of maps with colour or intensity
    bare: Regression
    constants: Constants

    def matched(self, pose: Pose, matcher: str) -> Pose:
        """A pose by matches, its covariance made that of matches which err together."""
        return replace(
            pose, covariance=getattr(self.constants, f"covariance_{matcher}") * pose.covariance
        )

    def tracked(self, pose: Pose) -> Pose:
        """A pose by tracks, its covariance made that of the tracks and of the map itself."""
        return replace(pose, covariance=self.matched(pose, "tracks").covariance + self.floor)

    @property
    def floor(self) -> np.ndarray:
        """(6, 6) covariance of the map's own errors, m^2 and rad^2."""
        return np.diag([self.constants.floor_metres**2] * 3 + [self.constants.floor_radians**2] * 3)


@cache
def calibration() -> Calibration:
    """The calibration that is shipped. Raises CalibrationError."""
    return read_calibration(PATH)


def read_calibration(path: Path | str) -> Calibration:
    """A calibration file. Raises CalibrationError on names too many or too few."""
    try:
        content = read_yaml(path)
        _require(content, {"regressions", "constants"}, "")
        regressions, constants = content["regressions"], content["constants"]
        _require(regressions, {"with_intensity", "bare"}, "regressions")
        _require(constants, {field.name for field in fields(Constants)}, "constants")
        return Calibration(
            **{name: _regression(row, f"regressions.{name}") for name, row in regressions.items()},
            constants=Constants(
                **{name: _constant(row, f"constants.{name}") for name, row in constants.items()}
            ),
        )
    except (YamlError, CalibrationError) as error:
        raise CalibrationError(
            f"{path} is no calibration ({error}): install the package anew,"
            " or write it with benchmarks/fit_confidence.py"
        ) from error


def _regression(row, where: str) -> Regression:
    _require(row, {"coefficients", "bias", "calibration_error", *SOURCE}, where)
    _require(row["coefficients"], set(REGRESSED), f"{where}.coefficients")
    coefficients = {
        name: _number(value, f"{where}.coefficients.{name}")
        for name, value in row["coefficients"].items()
    }
    return Regression(coefficients, _number(row["bias"], f"{where}.bias"))


def _constant(row, where: str) -> float:
    _require(row, {"value", "meaning", *SOURCE}, where)
    return _number(row["value"], f"{where}.value")


def _number(value, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise CalibrationError(f"'{where}' is {value!r:.40}, not a number")
    return float(value)


def _require(row, names: set[str], where: str) -> None:
    """Raise CalibrationError unless `row` is a mapping of exactly these names."""
    inside = f" in '{where}'" if where else ""
    if not isinstance(row, dict):
        raise CalibrationError(f"there are no names{inside}")
    if unknown := sorted(map(str, set(row) - names)):
        raise CalibrationError(
            f"'{unknown[0]}'{inside} is not known; there are: {', '.join(sorted(names))}"
        )
    if missing := sorted(names - set(row)):
        raise CalibrationError(f"'{missing[0]}'{inside} is missing")
