"""System tools that a test needs and a machine may lack."""

import os
import shutil
from typing import NoReturn

import pytest


def require_tool(name: str, hint: str) -> str:
    """Return the path of a program. Without it the test skips and says how to get it: `hint`, as "apt install podman".

    REQUIRE_TOOLS=1, which .ci/run sets, makes the test fail instead: there nobody reads why one was skipped.
    """
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is not installed: {hint}")
    return path


def missing(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_TOOLS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
