"""Stage 4: the gate; then the kept model, its reference, metrics and card into the BentoML store and to models/."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import bentoml
import numpy as np
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore

from serving import store
from serving.model import Model, Parameters
from serving.schema import MODEL_NAME
from training import dataset, gate, provenance, registry, settings, tracking
from training.binning import make_reference
from training.bootstrap import MADE_HERE, md5
from training.card import write_card
from training.stage import TrainingError, run, say
from training.tracking import Run

CANDIDATE = Path("models/candidate")
METRICS = Path("reports/metrics.json")
VERDICT = Path("reports/verdict.json")
EXPORT = Path("models") / f"{MODEL_NAME}.bentomodel"


def _parameters() -> Parameters:
    with np.load(CANDIDATE / "parameters.npz", allow_pickle=False) as arrays:
        return Parameters(**arrays)


def gather(folder: Path, params: settings.Settings, kept: Run, verdict: gate.Verdict) -> dict[str, object]:
    """Put the files of a stored model into a folder and return the metadata that goes with them."""
    parameters = _parameters()
    metadata = {**provenance.metadata(params, kept), "gate": "passed" if verdict.passed else "refused"}
    reference = make_reference(dataset.read(), Model(parameters), params.reference)
    for name in ("estimator.skops", "parameters.npz"):
        shutil.copyfile(CANDIDATE / name, folder / name)
    shutil.copyfile(METRICS, folder / "metrics.json")
    (folder / "reference.json").write_text(json.dumps(asdict(reference), indent=2) + "\n")
    card = write_card(parameters, reference, json.loads(METRICS.read_text()), metadata)
    (folder / "card.md").write_text(card, encoding="utf-8")
    return metadata


def champion() -> store.StoredModel | None:
    """Return the model that is served now; none if there is none to serve."""
    try:
        return store.load()
    except store.ModelError as error:
        say(f"gate: no champion: {error}")
        return None


def decide(params: settings.Gate, kept: Run) -> gate.Verdict:
    """Judge the candidate, and write the verdict to a file and to its MLflow run."""
    _, held = dataset.read().split(params.holdout)
    if not len(held.codes):
        raise TrainingError("gate: there is no hold-out: give more rows or raise gate.holdout in params.yaml")
    present = champion()
    challenger = Model(_parameters())
    verdict = gate.judge(
        lambda rows: challenger.score(rows).probabilities,
        (lambda rows: present.model.score(rows).probabilities) if present else None,
        held,
        params,
        present.tag if present else "",
    )
    VERDICT.write_text(json.dumps(verdict.as_dict(), indent=2) + "\n")
    tracking.log_verdict(kept, VERDICT, verdict.passed)
    registry.challenge(kept)
    say(verdict.table())
    return verdict


def refuse(verdict: gate.Verdict) -> NoReturn:
    failed = "; ".join(check.name for check in verdict.checks if not check.passed)
    stays = f"{verdict.champion} goes on being served" if verdict.champion else "nothing was saved"
    raise TrainingError(f"the gate refuses this model ({failed}): {stays}. The numbers are in {VERDICT}")


def export(tag: str, models: ModelStore) -> None:
    """Write a model of a store to one file, whole or not at all."""
    # BentoML takes the format from the end of the file's name, and a relative path for one below the root of the disk.
    unfinished = EXPORT.absolute().with_name(f"unfinished-{EXPORT.name}")
    try:
        bentoml.models.export_model(tag, str(unfinished), _model_store=models)
        MADE_HERE.parent.mkdir(parents=True, exist_ok=True)
        MADE_HERE.write_text(md5(unfinished))
        unfinished.replace(EXPORT)
    finally:
        unfinished.unlink(missing_ok=True)


def serve(folder: Path, metadata: dict[str, object], kept: Run) -> None:
    """Make the candidate the store's latest, export it, and tell MLflow."""
    # After a run that was killed half-way, or a rollback, the model may be there: it needs no twin.
    tag = next((tag for tag in store.tags() if _same(tag, folder)), "")
    if tag:
        store.set_latest(tag)
    else:
        tag = store.save(folder, metadata)
    export(tag, BentoMLContainer.model_store.get())
    tracking.tag_promoted(kept, tag)
    registry.mirror()
    say(f"promote: saved {tag} to the BentoML model store and to {EXPORT}")


def _same(tag: str, folder: Path) -> bool:
    try:
        path = store.load(tag).path
    except store.ModelError:
        return False
    return all((path / name).read_bytes() == (folder / name).read_bytes() for name in store.FILES)


def keep_experiment(folder: Path, metadata: dict[str, object]) -> None:
    """Export the candidate of an experiment, past the store: what is served is not the place to try something."""
    with TemporaryDirectory() as elsewhere:
        models = ModelStore(elsewhere)
        export(store.put(folder, metadata, models), models)
    say(
        f"promote: this experiment's model is in {EXPORT} and is not served; "
        "to serve it: `dvc exp apply NAME`, then `dvc repro --single-item --force promote`"
    )


def main() -> None:
    params = settings.load()
    kept = Run.read()
    verdict = decide(params.gate, kept)
    experiment = "DVC_EXP_BASELINE_REV" in os.environ
    if not verdict.passed and not experiment:
        refuse(verdict)
    with TemporaryDirectory() as name:
        folder = Path(name)
        metadata = gather(folder, params, kept, verdict)
        if experiment:
            keep_experiment(folder, metadata)
        else:
            serve(folder, metadata, kept)


if __name__ == "__main__":
    run(main)
