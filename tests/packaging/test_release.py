"""What a release is made by: its text, its push to a registry, and what is asked of GitHub's gh."""

import re
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest

from tests.processes import fresh_terminal, started, stop
from tests.servers import ROOT, free_port
from tests.tools import require_tool

Done = subprocess.CompletedProcess[str]

# Of the password "secret", by bcrypt, as docker-registry wants it.
HTPASSWD = "tester:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


def make(*arguments: str, cwd: Path = ROOT, env: Mapping[str, str] = MappingProxyType({})) -> Done:
    environment = fresh_terminal(**env)
    return subprocess.run(["make", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with what the release's text is made of."""
    (tmp_path / "deploy").mkdir()
    for name in ("Makefile", "deploy/notes.py", "deploy/push.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    log = "# Changelog\n\n## 1.2.0, 2026-01-31\n\n- New.\n  Really.\n\n## 1.1.0, 2026-01-01\n\n- Old.\n"
    (tmp_path / "CHANGELOG.md").write_text(log)
    return tmp_path


def test_the_text_of_a_release_is_its_section_of_the_changelog(project: Path) -> None:
    assert make("release-notes", "VERSION=v1.2.0", cwd=project).stdout == "- New.\n  Really.\n"


@pytest.mark.parametrize(
    ("version", "before", "after", "sentence"),
    [
        ("v1.1.0", "", "", "the tag says v1.1.0 and pyproject.toml says 1.2.0"),
        ("", "", "", "the tag says nothing and pyproject.toml says 1.2.0"),
        ("v1.2.0", "## 1.2.0, ", "## 1.2, ", "CHANGELOG.md has no section of 1.2.0"),
        ("v1.2.0", "2026-01-31", "unreleased", "CHANGELOG.md calls 1.2.0 unreleased"),
        ("v1.2.0", "\n- New.\n  Really.\n", "", "CHANGELOG.md says nothing of 1.2.0"),
    ],
)
def test_a_release_without_a_text_is_refused(
    project: Path, version: str, before: str, after: str, sentence: str
) -> None:
    log = (project / "CHANGELOG.md").read_text()
    assert before in log
    (project / "CHANGELOG.md").write_text(log.replace(before, after, 1) if before else log)
    made = make("release-notes", f"VERSION={version}", cwd=project)
    assert made.returncode
    assert f"error: {sentence}" in made.stderr


def test_this_project_s_own_changelog_has_its_version() -> None:
    [version] = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    made = make("release-notes", f"VERSION=v{version}")
    # Tagged or not yet: then it is told so.
    assert made.stdout.startswith("- ") or f"calls {version} unreleased" in made.stderr


@pytest.fixture
def gh(tmp_path: Path) -> tuple[str, Path]:
    """Return a PATH on which gh, which talks to GitHub, is a stand-in that notes what it is asked, and the notes."""
    folder, asked = tmp_path / "bin", tmp_path / "asked"
    folder.mkdir()
    (folder / "gh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{asked}"\n')
    (folder / "gh").chmod(0o755)
    return f"{folder}:{fresh_terminal()['PATH']}", asked


def test_release_is_made_of_the_text_and_the_files(project: Path, gh: tuple[str, Path]) -> None:
    path, asked = gh
    (project / "dist" / "reports").mkdir(parents=True)
    (project / "dist" / "reports" / "sbom.cdx.json").touch()
    made = make("release", cwd=project, env={"PATH": path, "VERSION": "v1.2.0"})
    assert made.returncode == 0, made.stderr
    assert asked.read_text().split("\n") == [
        *("release", "create", "v1.2.0", "--verify-tag", "--title", "v1.2.0", "--notes", "- New.", "  Really."),
        *("dist/reports/sbom.cdx.json", ""),
    ]


def test_no_release_without_a_text(project: Path, gh: tuple[str, Path]) -> None:
    path, asked = gh
    assert make("release", cwd=project, env={"PATH": path, "VERSION": "v9"}).returncode
    assert not asked.exists()


def test_comment_replaces_the_last_one(gh: tuple[str, Path]) -> None:
    path, asked = gh
    assert make("comment", env={"PATH": path, "PR": "12"}).returncode == 0
    wanted = ["pr", "comment", "12", "--body-file", "reports/comparison.md", "--edit-last", "--create-if-none", ""]
    assert asked.read_text().split("\n") == wanted


@dataclass(frozen=True)
class Registry:
    address: str
    environment: dict[str, str]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry that wants a password, and what lets podman speak to it without TLS."""
    program = require_tool("docker-registry", "apt install docker-registry")
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    (tmp_path / "registry.yml").write_text(f"""
version: 0.1
storage: {{filesystem: {{rootdirectory: {tmp_path / "registry"}}}}}
http: {{addr: "{address}"}}
auth: {{htpasswd: {{realm: test, path: {tmp_path / "htpasswd"}}}}}
""")
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
    own = {
        "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf"),
        "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
    }
    command = [program, "serve", str(tmp_path / "registry.yml")]
    with started(command, tmp_path, fresh_terminal(), tmp_path / "log") as process:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
            assert client.get(f"http://{address}/v2/").status_code == 401
        yield Registry(address, own)
        stop(process)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Path]:
    """A file that `make save` wrote, of an image that is then removed."""
    podman = require_tool("podman", "apt install podman")
    with tarfile.open(tmp_path / "root.tar", "w") as root:
        root.add(ROOT / "LICENSE", "LICENSE")
    subprocess.run([podman, "import", "--quiet", tmp_path / "root.tar", "saved:test"], capture_output=True, check=True)
    file = tmp_path / "image.tar"
    made = make("save", "ENGINE=podman", "IMAGE=saved:test", f"ARCHIVE={file}")
    assert made.returncode == 0, made.stderr
    subprocess.run([podman, "rmi", "--force", "saved:test"], capture_output=True, check=True)
    yield file
    subprocess.run([podman, "rmi", "--force", "saved:test"], capture_output=True, check=False)


@pytest.mark.slow
def test_push_logs_in_and_says_which_digest_is_there(archive: Path, registry: Registry, tmp_path: Path) -> None:
    target = ("push", "ENGINE=podman", "IMAGE=saved:test", f"ARCHIVE={archive}", f"TO={registry.address}/Some/One:v1")
    wrong = {"REGISTRY_USER": "tester", "REGISTRY_TOKEN": "wrong"}
    refused = make(*target, env={**wrong, **registry.environment})
    assert refused.returncode
    assert "error: `podman login` failed: " in refused.stderr

    outputs = tmp_path / "outputs"
    told = {"REGISTRY_USER": "tester", "REGISTRY_TOKEN": "secret", "GITHUB_OUTPUT": str(outputs)}
    made = make(*target, env={**told, **registry.environment})
    assert made.returncode == 0, made.stderr
    accepted = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    there = httpx.head(
        f"http://{registry.address}/v2/some/one/manifests/v1", auth=("tester", "secret"), headers={"Accept": accepted}
    ).raise_for_status()
    digest = there.headers["Docker-Content-Digest"]
    assert made.stdout == f"pushed {registry.address}/some/one@{digest}\n"
    assert outputs.read_text() == f"name={registry.address}/some/one\ndigest={digest}\n"


def test_push_needs_to_know_where_to() -> None:
    made = make("push", "ENGINE=podman", "TO=name")
    assert made.returncode
    assert "error: TO=name does not say where to: it has to be registry/owner/name:tag" in made.stderr
