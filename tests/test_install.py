"""requirements/install.py on the machines that people have."""

import ast
import importlib.util
import runpy
import shutil
import sys
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

from requirements import install
from tests.servers import ROOT

SCRIPT = ROOT / "requirements" / "install.py"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class Installers:
    """Stands in for pip and uv: notes each call, and fails where the command's words hold one of `failing`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failing: tuple[str, ...] = ()

    def __call__(self, *command: str | Path) -> int:
        call = " ".join(map(str, command))
        self.calls.append(call)
        return int(any(word in call for word in self.failing))


@pytest.fixture(autouse=True)
def installers(monkeypatch: pytest.MonkeyPatch) -> Installers:
    installers = Installers()
    monkeypatch.setattr(install, "run", installers)
    return installers


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> install.Environment:
    """Return an environment that has this test's Python, pip included, once it is created."""
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    for name in ("uv", *install.SETS):
        (requirements / f"{name}.txt").write_text(name)

    def create(folder: Path, **_: bool) -> None:
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(sys.executable)

    monkeypatch.setattr(venv, "create", create)
    return install.Environment(requirements, tmp_path / ".venv")


def set_up(environment: install.Environment, name: str) -> None:
    if not environment.usable():
        environment.create(needed_mb=0)
    environment.install(name)


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13)])
def test_old_python_is_told_in_one_sentence(version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (*version, "final", 0))
    monkeypatch.setattr(sys, "version", ".".join(map(str, version)) + " (main)")
    with pytest.raises(SystemExit, match=r"^error: Python 3\.11 or newer is needed, and \S+ is 3\.\d+\.\d+: install "):
        runpy.run_path(str(SCRIPT))


def test_old_python_gets_as_far_as_the_sentence() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))


def test_python_without_venv(environment: install.Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == "ensurepip" else module)
    with pytest.raises(install.SetupError, match=r"no venv module: .*apt install python3\.\d+-venv"):
        environment.create(needed_mb=0)
    assert not environment.folder.exists()


def test_no_disk(environment: install.Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, 99_000_000))
    with pytest.raises(install.SetupError, match=r"^600 MB of free disk are needed in .*, and there are 99$"):
        environment.create(needed_mb=600)


def test_disk_that_fills_up(
    environment: install.Environment, installers: Installers, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.create(needed_mb=0)
    installers.failing = ("serve.txt",)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, 0))
    with pytest.raises(install.SetupError, match="free disk"):
        environment.install("serve")


@pytest.mark.parametrize(
    ("installed", "asked", "has"),
    [("serve", "serve", True), ("dev", "serve", True), ("dev", "train", True), ("serve", "train", False)],
)
def test_larger_set_satisfies_smaller(environment: install.Environment, installed: str, asked: str, has: bool) -> None:
    set_up(environment, installed)
    assert environment.has(asked) is has


@pytest.mark.parametrize("lock", ["uv", "serve"])
def test_changed_lock_installs_again(environment: install.Environment, lock: str) -> None:
    set_up(environment, "serve")
    (environment.requirements / f"{lock}.txt").write_text("changed")
    assert not environment.has("serve")
    assert environment.usable()


def test_interrupted_installation_starts_over(
    environment: install.Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: str | Path) -> int:
        raise KeyboardInterrupt

    set_up(environment, "serve")
    half_a_package = environment.folder / "half-a-package"
    half_a_package.touch()
    with monkeypatch.context() as patch:
        patch.setattr(install, "run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            environment.install("dev")
    assert not environment.has("serve")
    set_up(environment, "serve")
    assert environment.has("serve")
    assert not half_a_package.exists()


def test_environment_of_a_removed_python_is_made_anew(environment: install.Environment) -> None:
    set_up(environment, "serve")
    environment.python.unlink()
    environment.python.symlink_to("/nowhere/python3.11")
    assert not environment.has("serve")
    set_up(environment, "serve")
    assert environment.has("serve")


def test_pip_stands_in_for_uv(environment: install.Environment, installers: Installers) -> None:
    environment.create(needed_mb=0)
    installers.failing = ("bin/uv",)
    environment.install("serve")
    assert [call.split()[0] for call in installers.calls] == [
        str(environment.folder / "bin" / tool) for tool in ("python", "uv", "python")
    ]
    assert all("--require-hashes" in call for call in installers.calls)
    assert environment.has("serve")


@pytest.mark.parametrize(("fails", "sentence"), [("uv.txt", "uv could not"), ("serve.txt", "the packages could not")])
def test_failed_download(environment: install.Environment, installers: Installers, fails: str, sentence: str) -> None:
    environment.create(needed_mb=0)
    installers.failing = (fails,)
    with pytest.raises(install.SetupError, match=sentence):
        environment.install("serve")
    assert not environment.has("serve")
