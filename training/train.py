"""Stage 2: the sweep. Keeps the GaussianNB with the best out-of-fold loss, to models/candidate/."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.naive_bayes import GaussianNB
from tqdm import tqdm

from training import crossval, dataset, settings, tracking
from training.candidates import Candidate, Classifier, candidates, fit
from training.crossval import Fold
from training.dataset import Dataset
from training.scores import measure
from training.stage import run, say
from training.tracking import Run

FOLDER = tracking.RUN.parent
SWEEP = FOLDER / "sweep.csv"


def keep(model: Any) -> None:
    """Save a fitted GaussianNB as a scikit-learn object and as plain arrays: log_prior [K], mean [K, d], var [K, d]."""
    skops.io.dump(model, FOLDER / "estimator.skops")
    np.savez(
        FOLDER / "parameters.npz",
        log_prior=np.log(model.class_prior_),
        mean=model.theta_,
        var=model.var_,
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate that was tried: fitted on all rows, measured out of fold, logged as a run."""

    candidate: Candidate
    model: Classifier
    metrics: dict[str, float]
    run_id: str

    @property
    def var_smoothing(self) -> Any:
        return self.model.get_params().get("var_smoothing")


def attempt(candidate: Candidate, data: Dataset, folds: list[Fold], fitted: Callable[[], object]) -> Trial:
    metrics = measure(data.codes, crossval.out_of_fold(candidate.estimator, data, folds, fitted))
    model = fit(candidate, data)
    return Trial(candidate, model, metrics, tracking.log_candidate(candidate, model, metrics, data))


def main() -> None:
    settled = settings.load()
    params = settled.train
    data, _ = dataset.read().split(settled.gate.holdout)
    folds = crossval.split(data, params.folds, params.seed)
    choices = candidates(params.var_smoothing)
    trials = []
    with tracking.sweep() as sweep_id, tqdm(total=len(choices) * params.folds, desc="train", unit="fit") as progress:
        for candidate in choices:
            progress.set_postfix_str(candidate.name)
            trials.append(attempt(candidate, data, folds, progress.update))
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = [{"candidate": t.candidate.name, "var_smoothing": t.var_smoothing, **t.metrics} for t in trials]
    pd.DataFrame(rows).to_csv(SWEEP, index=False, lineterminator="\n")
    # Only a GaussianNB can be served; the others are there to be compared with.
    gaussians = [trial for trial in trials if isinstance(trial.model, GaussianNB)]
    best = min(gaussians, key=lambda trial: trial.metrics[params.chosen_by])
    keep(best.model)
    Run(best.run_id, sweep_id, best.var_smoothing).write()
    loss = f"{params.chosen_by} {best.metrics[params.chosen_by]:.4f} out of fold"
    say(f"train: kept {best.candidate.name} of {len(trials)} tried, {loss}")


if __name__ == "__main__":
    run(main)
