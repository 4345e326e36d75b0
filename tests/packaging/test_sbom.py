"""The bill of materials: what CycloneDX's schema accepts, and exactly what is in the image."""

import json
import re
import subprocess
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy import inventory, sbom

# Asked without our own code: the service's packages and then those of the Python below it.
LISTS = (
    "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')",
    "/app/.venv/bin/python",
    "/app/.venv/bin/python -c 'import sys; print(sys._base_executable)'",
)


@pytest.fixture(scope="module")
def document(engine: str, image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `make sbom` writes of the image with the page."""
    folder = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sbom, "REPORTS", folder)
        sbom.main(engine, image)
    text = (folder / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    described: dict[str, Any] = json.loads(text)
    described["licences"] = (folder / "licences.md").read_text()
    return described


def inside(engine: str, image: str, script: str) -> str:
    run = [engine, "run", "--rm", "--network=none", "--entrypoint=sh", image, "-c", script]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout


def listed(document: dict[str, Any], kind: str) -> set[tuple[str, str]]:
    """Return the (name, version) of the components whose package URL is of that kind."""
    found = [one for one in document["components"] if one["purl"].startswith(f"pkg:{kind}/")]
    pairs = {(one["name"], one["version"]) for one in found}
    assert len(pairs) == len(found)
    return pairs


@pytest.mark.slow
def test_names_exactly_the_distributions_of_the_image(engine: str, image: str, document: dict[str, Any]) -> None:
    code, service, below = LISTS
    out = inside(engine, image, f'{service} -c "{code}"; $({below}) -c "{code}"')
    assert listed(document, "pypi") == {
        (name, version) for name, _, version in (o.partition("==") for o in out.split())
    }
    names = {name.lower() for name, _ in listed(document, "pypi")}
    assert {"bentoml", "gradio", "numpy"} <= names
    assert not {"mlflow", "evidently", "dvc", "scikit-learn", "uv"} & names


@pytest.mark.slow
def test_names_exactly_the_debian_packages_of_the_image(engine: str, image: str, document: dict[str, Any]) -> None:
    out = inside(engine, image, "dpkg-query --show --showformat='${Package} ${Version}\\n'")
    assert listed(document, "deb") == {(name, version) for name, version in (line.split() for line in out.splitlines())}


@pytest.mark.slow
def test_says_which_image_and_model(image: str, model: str, document: dict[str, Any]) -> None:
    about = document["metadata"]["component"]
    assert (about["type"], about["name"]) == ("container", image)
    assert {"name": "com.bentoml.model", "value": model} in about["properties"]


@pytest.mark.slow
def test_the_table_has_a_line_for_each_component(document: dict[str, Any]) -> None:
    row = r"^\| (\S+) \| (\S+) \| (?:PyPI|Debian|python\.org) \| (.+) \|$"
    rows = re.findall(row, document["licences"], re.MULTILINE)
    assert len(rows) == len(document["components"])
    licences = {name: licence for name, _, licence in rows}
    assert licences["bentoml"] == "Apache-2.0"
    assert licences["psycopg"] == "LGPL-3.0-only"
    assert [name for name, licence in licences.items() if licence == "not said"] == []


class Distribution:
    def __init__(self, **fields: list[str]) -> None:
        self.metadata = Message()
        for name, values in fields.items():
            for value in values:
                self.metadata[name.replace("_", "-")] = value


@pytest.mark.parametrize(
    ("fields", "licences"),
    [
        ({"License_Expression": ["MIT OR Apache-2.0"], "License": ["x"]}, ["MIT OR Apache-2.0"]),
        ({"License": ["BSD-3-Clause"], "Classifier": ["License :: OSI Approved :: MIT License"]}, ["BSD-3-Clause"]),
        ({"License": ["May be\nused"], "Classifier": ["License :: OSI Approved :: MIT License"]}, ["MIT License"]),
        ({"License": ["UNKNOWN"], "Classifier": ["License :: OSI Approved", "Topic :: A"]}, []),
        ({}, []),
    ],
)  # fmt: skip
def test_licences_of_a_distribution(fields: dict[str, list[str]], licences: list[str]) -> None:
    assert inventory.licences(Distribution(**fields)) == licences  # type: ignore[arg-type]


def test_licences_of_a_debian_package(tmp_path: Path) -> None:
    (tmp_path / "copyright").write_text(
        "Files: *\nLicense: GPL-2+\n a text\n\nLicense: BSD-3-clause \n\nLicense: GPL-2+\n"
    )
    assert inventory.debian_licences(tmp_path) == ["BSD-3-clause", "GPL-2+"]
    assert inventory.debian_licences(tmp_path / "none") == []


def test_licences_with_several_names_and_expressions_are_valid() -> None:
    found: dict[str, Any] = {
        "python": "3.11.9",
        "distribution": {"id": "debian", "version": "12"},
        "distributions": [{"name": "A_b", "version": "1", "licences": ["MIT OR Apache-2.0"]}],
        "packages": [
            {"name": "c", "version": "2:1+b1", "architecture": "amd64", "licences": ["GPL-2+", "MIT", "GPL-2 and MIT"]}
        ],
    }
    document = json.loads(sbom.document("image:tag", {}, found))
    purls = {one["purl"] for one in document["components"]}
    assert purls >= {"pkg:pypi/a-b@1", "pkg:deb/debian/c@2:1%2Bb1?arch=amd64&distro=debian-12"}
