"""Writes what is in an image, and under which licences: python -m deploy.sbom ENGINE IMAGE.

The image itself is asked, by `inventory.py` in a container without a network. `reports/sbom.cdx.json` is a CycloneDX
document, `reports/licences.md` a table of the same.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

REPORTS = Path("reports")
INVENTORY = Path(__file__).with_name("inventory.py")
# Names in use for licences that have an SPDX identifier.
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def inventory(engine: str, image: str) -> dict[str, Any]:
    """Ask the image what is in it. Raises SystemExit if it cannot be run."""
    run = [engine, "run", "--rm", "--interactive", "--network=none", "--entrypoint=python", image, "-"]
    asked = subprocess.run(run, input=INVENTORY.read_text(), capture_output=True, text=True, check=False)
    if asked.returncode:
        sys.exit(f"error: {image} could not be asked what is in it: {asked.stderr.strip()}")
    found: dict[str, Any] = json.loads(asked.stdout)
    return found


def labels(engine: str, image: str) -> dict[str, str]:
    inspect = [engine, "image", "inspect", "--format={{json .Config.Labels}}", image]
    found: dict[str, str] = json.loads(subprocess.run(inspect, capture_output=True, text=True, check=True).stdout)
    return found


def components(found: dict[str, Any]) -> Iterator[Component]:
    """Describe Python, its distributions and the operating system's packages."""
    python = found["python"]
    yield _component("python", python, ["PSF-2.0"], PackageURL("generic", None, "python", python))
    for one in found["distributions"]:
        # As the package index writes a name.
        purl = PackageURL("pypi", None, one["name"].lower().replace("_", "-"), one["version"])
        yield _component(one["name"], one["version"], one["licences"], purl)
    system = found["distribution"]
    for one in found["packages"]:
        qualifiers = {"arch": one["architecture"], "distro": f"{system['id']}-{system['version']}"}
        purl = PackageURL("deb", system["id"], one["name"], one["version"], qualifiers)
        yield _component(one["name"], one["version"], one["licences"], purl)


def _component(name: str, version: str, licences: list[str], purl: PackageURL) -> Component:
    factory = LicenseFactory()
    names = [_SPDX.get(each, each) for each in licences]
    # The schema takes one expression or several licences.
    make = factory.make_from_string if len(names) == 1 else factory.make_with_name
    return Component(
        name=name, version=version, licenses=[make(each) for each in names], purl=purl, bom_ref=purl.to_string()
    )


def document(image: str, about: dict[str, str], found: dict[str, Any]) -> str:
    """Return the CycloneDX document, which its own schema accepts."""
    bom = Bom(components=components(found))
    bom.metadata.component = Component(
        name=image,
        version=about.get("org.opencontainers.image.version"),
        type=ComponentType.CONTAINER,
        properties=[Property(name=name, value=value) for name, value in about.items()],
    )
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"error: the SBOM is not valid CycloneDX: {wrong}")
    return text


def table(image: str, found: dict[str, Any]) -> str:
    """Return the licences as a table in Markdown."""
    lines = [f"# Licences in {image}", "", "| name | version | from | licence |", "|---|---|---|---|"]
    rows = [{"name": "Python", "version": found["python"], "licences": ["PSF-2.0"], "from": "python.org"}]
    rows += [{**one, "from": "PyPI"} for one in found["distributions"]]
    rows += [{**one, "from": "Debian"} for one in found["packages"]]
    for one in rows:
        licences = ", ".join(_SPDX.get(each, each) for each in one["licences"]).replace("|", "\\|")
        unsaid = "see /usr/share/doc" if one["from"] == "Debian" else "not said"
        lines.append(f"| {one['name']} | {one['version']} | {one['from']} | {licences or unsaid} |")
    return "\n".join([*lines, ""])


def main(engine: str, image: str) -> None:
    found = inventory(engine, image)
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "sbom.cdx.json").write_text(document(image, labels(engine, image), found))
    (REPORTS / "licences.md").write_text(table(image, found))
    counted = f"{len(found['distributions'])} Python distributions and {len(found['packages'])} system packages"
    print(f"{counted} of {image} are listed in {REPORTS}/sbom.cdx.json and {REPORTS}/licences.md.")


if __name__ == "__main__":
    main(*sys.argv[1:])
