"""The workflows of .github: accepted by their checkers, and every step is a chore of the Makefile."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clones import copy_of_work
from tests.processes import fresh_terminal
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


# What may be written, by workflow and job; all others only read the code.
WRITES = {
    ("release", "image"): {"packages", "id-token", "attestations"},
    ("release", "release"): {"contents"},
    ("train", "comment"): {"pull-requests"},
}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_job_that_may_write_runs_no_code_of_a_dependency(file: Path) -> None:
    for name, job in yaml.safe_load(file.read_text())["jobs"].items():
        writes = {right for right, level in job["permissions"].items() if level == "write"}
        assert writes == WRITES.get((file.stem, name), set())
        for step in job["steps"]:
            if writes and "run" in step:
                dry = ["make", "--dry-run", *step["run"].split()[1:]]
                shown = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout
                assert "install.py" not in shown
                assert ".venv/bin/" not in shown


def test_a_pull_request_of_a_fork_meets_no_secret_and_no_token_that_writes() -> None:
    for file in WORKFLOWS:
        assert "pull_request_target" not in file.read_text()
    comment = yaml.safe_load((ROOT / ".github/workflows/train.yml").read_text())["jobs"]["comment"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in comment["if"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_action_is_pinned_and_nothing_is_granted_to_all_jobs(file: Path) -> None:
    text = file.read_text()
    assert yaml.safe_load(text)["permissions"] == {}
    for used in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", used), used


def test_workflows_pass_their_checkers() -> None:
    made = subprocess.run(["make", "workflows"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def test_every_accepted_finding_of_zizmor_has_its_reason() -> None:
    lines = (ROOT / ".github" / "zizmor.yml").read_text().splitlines()
    accepted = [i for i, line in enumerate(lines) if line.strip().startswith("- ")]
    assert accepted
    assert all(lines[i - 1].strip().startswith("# ") for i in accepted)


@pytest.mark.slow
def test_the_steps_of_ci_pass_in_a_fresh_clone(engine: str, tmp_path: Path) -> None:
    clone = copy_of_work(tmp_path / "clone")
    # A runner has a Python of this name, and nothing of ours.
    runner = tmp_path / "bin"
    runner.mkdir()
    (runner / "python").symlink_to(Path(sys.executable).resolve())
    image = f"gender_classifier:ci-{os.getpid()}"
    environment = fresh_terminal(BENTOML_HOME=str(tmp_path / "bentoml"), IMAGE=image)
    # The same tests are measured here: in the clone they would be once more.
    environment.pop("COVERAGE_PROCESS_CONFIG", None)
    environment["PATH"] = f"{runner}{os.pathsep}{os.environ['PATH']}"
    runs = [step["run"].split() for step in steps(clone / ".github" / "workflows" / "ci.yml") if "run" in step]
    assert {"check", "workflows", "build", "image", "smoke"} <= {words[1] for words in runs}
    try:
        for words in runs:
            ran = subprocess.run(words, cwd=clone, env=environment, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, f"{words}\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"
    finally:
        subprocess.run([engine, "rmi", "--force", image], capture_output=True, check=False)


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
