"""Stage 4: the gate; then the kept model, its reference, metrics and card into the BentoML store and to models/."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import bentoml
import numpy as np

from serving import store
from serving.model import Model, Parameters
from serving.schema import MODEL_NAME
from training import dataset, gate, registry, settings, tracking
from training.binning import make_reference
from training.card import write_card
from training.provenance import git_commit, versions
from training.stage import TrainingError, run, say
from training.tracking import Run

CANDIDATE = Path("models/candidate")
METRICS = Path("reports/metrics.json")
VERDICT = Path("reports/verdict.json")
EXPORT = Path("models") / f"{MODEL_NAME}.bentomodel"


def _parameters() -> Parameters:
    with np.load(CANDIDATE / "parameters.npz", allow_pickle=False) as arrays:
        return Parameters(**arrays)


def _metadata(params: settings.Settings, kept: Run) -> dict[str, object]:
    return {
        "mlflow_run_id": kept.run_id,
        "data_source": params.data.source,
        "data_sha256": dataset.sha256(),
        "var_smoothing": kept.var_smoothing,
        **git_commit(),
        "versions": versions(),
    }


def gather(folder: Path, params: settings.Settings, kept: Run) -> dict[str, object]:
    """Put the files of a stored model into a folder and return the metadata that goes with them."""
    parameters = _parameters()
    metadata = _metadata(params, kept)
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


def decide(params: settings.Gate, kept: Run) -> None:
    """Let the candidate through the gate, and write the verdict to a file and to its MLflow run.

    Raises:
        TrainingError: it is refused.
    """
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
    registry.challenge(kept.run_id)
    say(verdict.table())
    if not verdict.passed:
        failed = "; ".join(check.name for check in verdict.checks if not check.passed)
        stays = f"{present.tag} goes on being served" if present else "nothing was saved"
        raise TrainingError(f"the gate refuses this model ({failed}): {stays}. The numbers are in {VERDICT}")


def export(tag: str) -> None:
    """Write the stored model to one file, whole or not at all."""
    # BentoML takes the format from the end of the file's name, and a relative path for one below the root of the disk.
    unfinished = EXPORT.absolute().with_name(f"unfinished-{EXPORT.name}")
    try:
        bentoml.models.export_model(tag, str(unfinished))
        unfinished.replace(EXPORT)
    finally:
        unfinished.unlink(missing_ok=True)


def main() -> None:
    params = settings.load()
    kept = Run.read()
    with TemporaryDirectory() as folder:
        metadata = gather(Path(folder), params, kept)
        # It finds the run before the model is saved: a model whose run is gone would not be traceable.
        decide(params.gate, kept)
        tag = store.save(Path(folder), metadata)
    export(tag)
    tracking.tag_promoted(kept, tag)
    registry.mirror()
    say(f"promote: saved {tag} to the BentoML model store and to {EXPORT}")


if __name__ == "__main__":
    run(main)
