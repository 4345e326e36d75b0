"""Runs promote again and again in a project, killed at each of its steps, and prints the state after each as JSON.

A program for test_killed.py: `python killing.py` in the root of a project with a champion and a new candidate. A step
is a change of a file below the BentoML store, models/ or reports/, or a call that changes MLflow; the process kills
itself just before it.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving import store
from serving.schema import MODEL_NAME
from training import bootstrap, promote, registry, tracking

HOME = Path(os.environ["BENTOML_HOME"])
KEPT = (HOME, Path("models").resolve(), Path("reports").resolve(), Path("mlflow.db").resolve())
SAVED = Path("saved").resolve()
FOUND = SAVED / "found.json"
CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.copyfile"}
MLFLOW = ((tracking, "log_verdict"), (registry, "challenge"), (tracking, "tag_promoted"), (registry, "mirror"))


class Steps:
    """Counts the steps of this process and kills it at one of them."""

    def __init__(self, deadly: int) -> None:
        self.deadly, self.count, self.seen = deadly, 0, ""
        sys.addaudithook(self.look)
        for module, name in MLFLOW:
            setattr(module, name, self.wrapped(getattr(module, name), name))

    def look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or (event == "open" and not set(str(arguments[1])) & set("wax+")):
            return
        count = 1 if event == "open" else 2
        names = [each for each in arguments[:count] if isinstance(each, str | bytes | os.PathLike)]
        paths = [str(Path(os.fsdecode(name)).absolute()) for name in names]
        # Where each file is copied, its opening is not another step.
        if event == "open" and any(".unfinished-" in path for path in paths):
            return
        if any(path.startswith(str(place)) for path in paths for place in KEPT):
            self.step(f"{event} {paths[-1]}")

    def wrapped(self, function: Callable[..., None], name: str) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            self.step(name)
            function(*arguments)

        return call

    def step(self, what: str) -> None:
        if self.count == self.deadly:
            os.write(2, f"killed before {what}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def forked(run: Callable[[], None]) -> int:
    """Run in a child, so that libraries are imported once. Returns its exit code, negative for a signal."""
    child = os.fork()
    if not child:
        try:
            run()
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step: int) -> Callable[[], None]:
    def run() -> None:
        Steps(step)
        promote.main()

    return run


def copy(pairs: list[tuple[Path, Path]]) -> None:
    for source, target in pairs:
        if target.is_dir():
            shutil.rmtree(target)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)


def look() -> None:
    """Print what somebody who comes now finds: what is served, all models, and what the exported file holds."""
    import mlflow

    served, exported = store.load(), Path("models") / f"{MODEL_NAME}.bentomodel"
    state: dict[str, object] = {"served": served.metadata["mlflow_run_id"], "tags": store.tags()}
    tracking.connect()
    alias = mlflow.MlflowClient().get_model_version_by_alias(MODEL_NAME, registry.CHAMPION)
    state["champion"] = alias.run_id
    state["folders"] = sum(path.is_dir() for path in (HOME / "models" / MODEL_NAME).iterdir())
    for model in store.tags():
        store.load(model)
    # Last, in this child only: an empty store takes the file in.
    shutil.rmtree(HOME / "models" / MODEL_NAME)
    state["imported"] = bootstrap.ensure_model(exported.parents[1])
    state["exported"] = store.load().metadata["mlflow_run_id"]
    FOUND.write_text(json.dumps(state))


def found() -> dict[str, object]:
    FOUND.unlink(missing_ok=True)
    forked(look)
    return dict(json.loads(FOUND.read_text())) if FOUND.exists() else {}


def main() -> None:
    SAVED.mkdir()
    places = [(place, SAVED / place.name) for place in KEPT]
    back = [(saved, place) for place, saved in places]
    copy(places)
    known: set[str] = set()
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        code = forked(killed_at(step))
        left = [(place, saved.with_name(f"left-{saved.name}")) for place, saved in places]
        copy(left)
        state: dict[str, object] = {"step": step, "code": code, **found()}
        # The next run is asked for once for every state that it can find.
        kind = json.dumps([state.get(name) for name in ("served", "champion", "exported", "folders")])
        if kind not in known:
            known.add(kind)
            copy([(saved, place) for place, saved in left])
            state["again"] = {"code": forked(promote.main), **found()}
        print(json.dumps(state), flush=True)
        copy(back)
        step += 1


if __name__ == "__main__":
    main()
