"""The notebook runs from top to bottom, offline, and is in step with its readable twin."""

import os
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from tests.clones import copy_of_work

FOLDER = Path(__file__).parents[1] / "notebooks"


def test_is_its_twin_without_outputs() -> None:
    notebook, twin = (jupytext.read(FOLDER / f"explore.{ending}") for ending in ("ipynb", "py"))
    assert [(c.cell_type, c.source) for c in notebook.cells] == [(c.cell_type, c.source) for c in twin.cells]
    assert not any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.slow
def test_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    notebook = nbformat.read(FOLDER / "explore.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    # In a copy, because it trains; and without the real file: what every clone can run.
    folder = copy_of_work(tmp_path / "copy") / FOLDER.name
    client = NotebookClient(notebook, timeout=170, resources={"metadata": {"path": str(folder)}})
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    client.execute(env={k: v for k, v in os.environ.items() if k != "GENDER_CSV"} | {"PATH": path})
    printed = "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))
    assert "HTTP: {" in printed
    assert "gRPC: [" in printed
