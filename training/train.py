"""Stage 2: the sweep. Keeps the GaussianNB with the best out-of-fold loss, to models/candidate/."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.naive_bayes import GaussianNB
from tqdm import tqdm

from training import crossval, dataset, settings, tracking
from training.candidates import Candidate, candidates, fit
from training.crossval import Fold
from training.dataset import Dataset
from training.scores import measure
from training.stage import run, say
from training.tracking import Run, Trial

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


def attempt(candidate: Candidate, data: Dataset, folds: list[Fold], fitted: Callable[[], object]) -> Trial:
    metrics = measure(data.codes, crossval.out_of_fold(candidate.estimator, data, folds, fitted))
    return Trial(candidate, fit(candidate, data), metrics)


def _var_smoothing(trial: Trial) -> Any:
    return trial.model.get_params().get("var_smoothing")


def main() -> None:
    settled = settings.load()
    params = settled.train
    data, _ = dataset.read().split(settled.gate.holdout)
    folds = crossval.split(data, params.folds, params.seed)
    choices = candidates(params.var_smoothing)
    trials = []
    with tqdm(total=len(choices) * params.folds, desc="train", unit="fit") as progress:
        for candidate in choices:
            progress.set_postfix_str(candidate.name)
            trials.append(attempt(candidate, data, folds, progress.update))
    say(f"train: recording {len(trials)} runs in MLflow")
    uri, sweep_id, run_ids = tracking.record(trials, data)
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = [{"candidate": t.candidate.name, "var_smoothing": _var_smoothing(t), **t.metrics} for t in trials]
    pd.DataFrame(rows).to_csv(SWEEP, index=False, lineterminator="\n")
    # Only a GaussianNB can be served; the others are there to be compared with.
    gaussians = [k for k, trial in enumerate(trials) if isinstance(trial.model, GaussianNB)]
    kept = min(gaussians, key=lambda k: trials[k].metrics[params.chosen_by])
    best = trials[kept]
    keep(best.model)
    Run(run_ids[kept], sweep_id, _var_smoothing(best), uri).write()
    loss = f"{params.chosen_by} {best.metrics[params.chosen_by]:.4f} out of fold"
    say(f"train: kept {best.candidate.name} of {len(trials)} tried, {loss}")


if __name__ == "__main__":
    run(main)
