"""Setting up by make: its sentences, the locks, and a clone that comes up."""

import re
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest

from requirements.install import SETS
from serving import port
from tests.processes import fresh_terminal
from tests.servers import ROOT, free_port

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=fresh_terminal(), capture_output=True, text=True, check=False
    )


def pins(lock: Path) -> set[tuple[str, str]]:
    """Return the (name, version) pairs of a lock."""
    return set(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE))


def test_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    listed = dict(re.findall(r"^  make (\S+) +(.+)$", make("help").stdout, re.MULTILINE))
    # A target that only others need has no line in the list.
    assert set(listed) == set(re.findall(r"^([a-z-]+):", text, re.MULTILINE)) - {"engine-found"}
    assert set(listed) == set(re.findall(r"^\.PHONY: (\S+)$", text, re.MULTILINE))
    assert make().stdout == make("help").stdout


def test_missing_python_is_told_in_one_sentence() -> None:
    ran = make("install-serve", "PYTHON=/nowhere/python3.11")
    assert ran.returncode != 0
    sentence, after = ran.stderr.splitlines()
    assert sentence.startswith("error: Python 3.11 or newer is needed and /nowhere/python3.11 was not found: ")
    assert after.startswith("make: ")


def test_missing_container_engine_is_told_in_one_sentence() -> None:
    ran = make("image", "ENGINE=")
    assert ran.returncode != 0
    assert ran.stderr.startswith("error: no container engine is running: ")


def test_occupied_port_is_told_in_one_sentence() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        taken = server.getsockname()[1]
        with pytest.raises(SystemExit, match=rf"^error: port {taken} is in use: .*make serve PORT=\d+$"):
            port.main([str(taken)])


def test_port_of_a_server_that_just_stopped_is_free() -> None:
    number = free_port()
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", number))
        server.listen()
        client.connect(("127.0.0.1", number))
        server.accept()[0].close()  # the side that closes first is the one whose port lingers
    port.main([str(number)])


@pytest.mark.parametrize(("argument", "sentence"), [("70000", "error: port 70000 does not exist"), ("x", "usage: ")])
def test_impossible_port(argument: str, sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        port.main([argument])


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_has_hashes_and_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    requirements = text.replace("\\\n", "").splitlines()
    assert requirements
    assert [line for line in requirements if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []


def test_every_extra_has_a_lock() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    # SDV is not ours to install beside: it has an environment of its own.
    assert {lock.stem for lock in LOCKS} - {"synthesize"} == {*extras, "uv"} == {*SETS, "uv"}


def test_smaller_locks_are_parts_of_larger_ones() -> None:
    for name, held in SETS.items():
        for smaller in held:
            assert pins(ROOT / "requirements" / f"{smaller}.txt") <= pins(ROOT / "requirements" / f"{name}.txt")
