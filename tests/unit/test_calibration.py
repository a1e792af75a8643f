# SPDX-License-Identifier: Apache-2.0
"""Fitted numbers are data: each has a name and a source, and a file with other names is refused."""

from dataclasses import fields

import pytest
import yaml

from diff2i2p.localization.calibration import (
    PATH,
    SOURCE,
    CalibrationError,
    calibration,
    read_calibration,
)
from diff2i2p.localization.evidence import OF_MATCHES, REGRESSED, Evidence


@pytest.fixture
def changed(tmp_path):
    """A function: read the shipped calibration after `change` was made to its content."""

    def read(change):
        content = yaml.safe_load(PATH.read_text())
        change(content)
        (tmp_path / "confidence.yaml").write_text(yaml.safe_dump(content))
        return read_calibration(tmp_path / "confidence.yaml")

    return read


def proof(**values: float) -> Evidence:
    return Evidence(**({field.name: 0.0 for field in fields(Evidence)} | values))


def test_every_fitted_number_tells_what_made_it():
    content = yaml.safe_load(PATH.read_text())
    rows = [*content["regressions"].values(), *content["constants"].values()]
    assert len(rows) == 10
    for row in rows:
        assert all(row[name] for name in SOURCE)


def test_a_coefficient_is_found_by_its_name(changed):
    fitted = changed(
        lambda content: content["regressions"]["bare"]["coefficients"].update(found=3.0)
    )
    bias = fitted.bare.bias
    assert fitted.bare.probability(proof(found=-bias / 3)) == pytest.approx(0.5)
    assert calibration().bare.probability(proof(found=-bias / 3)) < 0.01
    assert fitted.with_intensity == calibration().with_intensity


def test_a_bare_map_is_judged_by_its_matches_and_any_other_by_its_intensity():
    fitted = calibration()
    assert not any(fitted.with_intensity.coefficients[name] for name in OF_MATCHES)
    assert not any(fitted.bare.coefficients[name] for name in set(REGRESSED) - set(OF_MATCHES))


def rename(content):
    content["regressions"]["bare"]["coefficients"]["inlier"] = 1.0


def forget(content):
    del content["regressions"]["with_intensity"]["coefficients"]["ncc_fine"]


def forget_the_source(content):
    del content["constants"]["odds_expected"]["command"]


def forget_a_constant(content):
    del content["constants"]["floor_metres"]


def misspell(content):
    content["regressions"]["bare"]["bias"] = "minus eight"


def not_finite(content):
    content["regressions"]["bare"]["coefficients"]["spread"] = float("nan")


def empty(content):
    content["regressions"] = None


@pytest.mark.parametrize(
    "change, said",
    [
        (
            rename,
            "'inlier' in 'regressions.bare.coefficients' is not known; there are: agreement, ",
        ),
        (forget, "'ncc_fine' in 'regressions.with_intensity.coefficients' is missing"),
        (forget_the_source, "'command' in 'constants.odds_expected' is missing"),
        (forget_a_constant, "'floor_metres' in 'constants' is missing"),
        (misspell, "'regressions.bare.bias' is 'minus eight', not a number"),
        (not_finite, "'regressions.bare.coefficients.spread' is nan, not a number"),
        (empty, "there are no names in 'regressions'"),
    ],
)
def test_a_calibration_with_other_names_is_refused_by_name(changed, change, said):
    with pytest.raises(CalibrationError, match="confidence.yaml is no calibration") as refused:
        changed(change)
    assert said in str(refused.value)


def test_a_calibration_that_is_not_there_says_so(tmp_path):
    with pytest.raises(CalibrationError, match="No such file"):
        read_calibration(tmp_path / "nowhere.yaml")
