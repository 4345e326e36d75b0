"""promote, killed at every step: what is served is the old model or the new one, and the next run puts all right."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.schema import MODEL_NAME
from tests.training.conftest import Project, duplicate
from tests.training.test_promote import served

pytestmark = pytest.mark.slow

KILLING = Path(__file__).with_name("killing.py")


def test_killed_at_every_step(reproduced: Project, tmp_path: Path) -> None:
    project = duplicate(reproduced, tmp_path / "project")
    old = json.loads((project.root / "models/candidate/run.json").read_text())["run_id"]
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace("seed: 7  ", "seed: 8  ", 1))
    project.run("dvc", "repro", "evaluate")
    new = json.loads((project.root / "models/candidate/run.json").read_text())["run_id"]
    assert new != old

    ran = subprocess.run(
        [sys.executable, KILLING],
        cwd=project.root,
        env={**project.environment, "PYTHONPATH": str(project.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    states: list[dict[str, Any]] = [json.loads(line) for line in ran.stdout.splitlines()]
    *killed, last = states
    assert last["code"] == 0, ran.stderr
    assert len(killed) >= 10
    seen = []
    for state in killed:
        assert state["code"] == -9
        # Whole, one of the two, and nothing in the store that is neither.
        assert {state["served"], state["champion"], state["exported"]} <= {old, new}, state
        assert state["imported"], state
        assert len(state["tags"]) == state["folders"], state
        seen.append(state["served"])
    # Never back again: first the store, then the file and the alias.
    assert seen == sorted(seen, key=(old, new).index)
    assert set(seen) == {old, new}
    again = [state["again"] for state in states if "again" in state]
    assert len(again) >= 4
    for state in again:
        assert state["code"] == 0, ran.stderr
        assert state["served"] == state["champion"] == state["exported"] == new, state
        assert len(state["tags"]) == state["folders"] == 2, "a twin was saved"

    # DVC knows that the stage has not ended, too.
    assert "Running stage 'promote'" in project.run("dvc", "repro").stdout
    assert len(served(project)) == 3
    assert (project.model() / "card.md").read_text().count(new)
    assert project.run("bentoml", "models", "list", MODEL_NAME).stdout.count(f"{MODEL_NAME}:") == 2
