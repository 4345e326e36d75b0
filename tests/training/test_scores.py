"""Metrics on cases whose answer is known."""

import numpy as np
import pytest

from training.scores import calibration_bins, calibration_error, measure

RNG = np.random.default_rng(2)


def test_two_classes() -> None:
    codes = np.array([0, 0, 1, 1])
    last = np.array([0.1, 0.4, 0.35, 0.8])
    measured = measure(codes, np.column_stack([1 - last, last]))
    assert measured["accuracy"] == 0.75
    assert measured["auc"] == 0.75
    assert measured["log_loss"] == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean())
    assert measured["brier"] == pytest.approx(np.mean([0.1**2, 0.4**2, 0.65**2, 0.2**2]))


def test_three_classes() -> None:
    codes = np.array([0, 1, 2, 0, 1, 2])
    measured = measure(codes, np.eye(3)[codes])
    assert measured["accuracy"] == measured["auc"] == 1
    assert measured["log_loss"] == pytest.approx(0, abs=1e-9)
    assert measured["brier"] == measured["calibration_error"] == 0


def test_calibrated_probabilities_have_hardly_an_error() -> None:
    last = RNG.random(100_000)
    codes = (RNG.random(100_000) < last).astype(np.intp)
    assert calibration_error(np.column_stack([1 - last, last]), codes) < 0.01


def test_overconfidence_is_measured() -> None:
    last = np.full(1000, 0.95)
    codes = (np.arange(1000) < 700).astype(np.intp)
    assert calibration_error(np.column_stack([1 - last, last]), codes) == pytest.approx(0.25)


def test_bins_that_are_empty_are_left_out() -> None:
    mean, share, rows = calibration_bins(np.array([0.0, 0.05, 1.0]), np.array([False, True, True]))
    assert mean.tolist() == [0.025, 1.0]
    assert share.tolist() == [0.5, 1.0]
    assert rows.tolist() == [2, 1]
