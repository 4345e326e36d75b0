"""The workflows of .github: accepted by their checkers, and every step is a chore of the Makefile."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
BIN = ROOT / ".venv" / "bin"


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(file.read_text())["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_run_is_one_target_of_the_makefile(file: Path) -> None:
    runs = [step["run"] for step in steps(file) if "run" in step]
    assert runs
    for run in runs:
        words = run.split()
        assert words[0] == "make", run
        assert words[1] in TARGETS, run
        assert all(re.fullmatch(r"[A-Z_]+=[\w.]+", word) for word in words[2:]), run


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_action_is_pinned_and_nothing_is_granted_to_all_jobs(file: Path) -> None:
    text = file.read_text()
    assert yaml.safe_load(text)["permissions"] == {}
    for used in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", used), used


def test_workflows_pass_their_checkers() -> None:
    made = subprocess.run(["make", "workflows"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        (["actionlint"], "matrix.python }}", "matrix.pithon }}"),
        (["check-jsonschema", "--builtin-schema", "vendor.github-workflows"], "runs-on:", "run-on:"),
        (["zizmor", "--offline", "--no-progress", "--quiet"], "@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "@main"),
    ],
    ids=["actionlint", "schema", "zizmor"],
)
def test_a_broken_workflow_is_caught(command: list[str], before: str, after: str, tmp_path: Path) -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert before in text
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    file = folder / "ci.yml"
    for content, fails in ((text, False), (text.replace(before, after), True)):
        file.write_text(content)
        made = subprocess.run([BIN / command[0], *command[1:], file], capture_output=True, text=True, check=False)
        assert bool(made.returncode) == fails, made.stdout + made.stderr
