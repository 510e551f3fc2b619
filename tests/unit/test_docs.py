# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The docs say what the code does, and what they name exists."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.main import parser

from tests import docs_tables, docs_variables

ROOT = docs_variables.ROOT
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "lab/*.md", "monitoring/*.md", "roles/*/README.md")
    for page in ROOT.glob(pattern)
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
each_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)
# Names that begin like a role's but are no variables: tags, facts, files, modules' and tables' names.
PREFIX = re.compile(rf"`((?:{'|'.join(docs_variables.ROLES)})_[a-z0-9_]+)\b")
OTHERS = {
    "skyha_daemon_agents",  # what it was until pg_cluster_fence
    "os_tuning_install",
    "os_tuning_configure",
    "pg_build_install",
    "skyha_daemon_install",
    "skyha_daemon_configure",
    "skyha_daemon_run",
    "pg_cluster_status",
    "pg_cluster_primary",
    "pg_cluster_fresh",
}


def test_tables_of_the_decision_are_current() -> None:
    """`make docs` makes them again."""
    for page in docs_tables.TABLES:
        assert docs_tables.rendered(page) == page.read_text()


def test_page_of_the_variables_is_current() -> None:
    """`make docs` makes it again."""
    assert docs_variables.DOC.read_text() == docs_variables.rendered()


@pytest.mark.parametrize("role", docs_variables.ROLES)
class TestEveryRole:
    def test_describes_all_of_its_variables_and_no_others(self, role: str) -> None:
        # The default of this one depends on the distribution: it is in the role's vars.
        distributions = {"pg_build_extension_packages"} if role == "pg_build" else set()
        # Without a default on purpose: the inventory has to choose.
        distributions |= {"streaming_replication_client_cidrs"} if role == "streaming_replication" else set()
        assert set(docs_variables.defaults(role)) | distributions == set(docs_variables.specs(role)["options"])

    def test_describes_each_in_a_sentence(self, role: str) -> None:
        for name, option in docs_variables.specs(role)["options"].items():
            text = option["description"] if isinstance(option["description"], str) else " ".join(option["description"])
            assert len(text.split()) >= 4, f"{name}: {text}"
            assert text.endswith("."), f"{name}: {text}"

    def test_tells_the_same_default_twice(self, role: str) -> None:
        values = docs_variables.defaults(role)
        for name, option in docs_variables.specs(role)["options"].items():
            if "default" in option and "{{" not in str(values[name]):
                assert option["default"] == values[name], name

    def test_has_a_readme(self, role: str) -> None:
        assert (ROOT / "roles" / role / "README.md").exists()


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in set(_anchors(file)), f"{page.name} links to {target}"


def _anchors(page: Path) -> Iterator[str]:
    for heading in re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@each_page
def test_skyctl_is_told_what_it_knows(page: Path) -> None:
    verbs = _verbs()
    for verb, rest in re.findall(r"\bskyctl ([a-z][a-z-]+)((?: +--[a-z-]+)*)", page.read_text()):
        if verb in ("shows", "says", "and", "on", "is", "orders", "tells", "with"):
            continue
        assert verb in verbs, f"skyctl {verb}"
        assert set(rest.split()) <= verbs[verb], f"skyctl {verb}{rest}"


def _verbs() -> Mapping[str, set[str]]:
    actions = [action for action in parser()._actions if hasattr(action, "choices") and action.dest == "verb"]
    choices: Any = actions[0].choices
    return {verb: set(sub._option_string_actions) for verb, sub in choices.items()}


@each_page
def test_variables_that_are_named_exist(page: Path) -> None:
    known = {name for role in docs_variables.ROLES for name in docs_variables.specs(role)["options"]}
    for name in PREFIX.findall(page.read_text()):
        if name in OTHERS or name in docs_variables.ROLES or name.endswith("_"):
            continue
        assert name in known, f"{page.name} names {name}"


@each_page
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^    )make (?!install)((?:[a-z-]+ ?)+)", page.read_text(), re.MULTILINE)
    for target in " ".join(named).split():
        assert target in targets, f"make {target}"


@each_page
def test_playbooks_and_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"ansible-playbook (?:-i \S+ )?(\S+\.yml)", text):
        assert (ROOT / name).exists() or (ROOT / "playbooks" / Path(name).name).exists(), name
    for name in re.findall(
        r"`((?:tests|docs|plugins|roles|playbooks|inventory|molecule|lab|monitoring|changelogs)/[\w./-]+\w)`", text
    ):
        if name.endswith(("vault.yml", "NAME.yml")):  # the reader makes it from its example; stands for any
            continue
        assert list(ROOT.glob(name)), f"{page.name} names {name}"


@each_page
def test_tests_that_are_named_exist(page: Path) -> None:
    sources = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("*.py"))
    for name in re.findall(r"`(test_\w+)`", page.read_text()):
        assert f"def {name}(" in sources or list((ROOT / "tests").rglob(f"{name}.py")), name


def test_walk_through_the_code_names_what_there_is() -> None:
    walk = (ROOT / "docs/architecture.md").read_text().split("## One look")[1].split("\n## ")[0]
    steps = re.findall(r"`(\w+/\w+\.py)`, `(?:(\w+)\.)?(\w+)`", walk)
    assert len(steps) >= 8
    for file, owner, name in steps:
        code = (ROOT / "plugins/module_utils/skyha" / file).read_text()
        assert not owner or f"class {owner}" in code, (file, owner)
        assert f"def {name}(" in code or f"class {name}" in code, (file, name)


def test_timing_is_described_as_it_is() -> None:
    """The table of docs/failover.md."""
    text = (ROOT / "docs/failover.md").read_text()
    rows = dict(re.findall(r"^\| (\w+) \| ([\w. ]+ \| [\w. ]+) \|$", text, re.MULTILINE))
    for name in (
        "interval",
        "failures_before_failover",
        "restart_grace",
        "hang_timeout",
        "standstill_timeout",
        "flap_guard",
    ):
        for shown, profile in zip(rows[name].split(" | "), ("fast", "document")):
            number = 0.0 if shown == "none" else float(shown.split()[0])
            assert getattr(docs_variables.config.PROFILES[profile], name) == number, (name, profile)


def test_examples_of_the_inventory_are_yaml() -> None:
    for page in PAGES:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            yaml.safe_load(block)


def test_changelog_fragments_are_in_order() -> None:
    done = subprocess.run(["antsibull-changelog", "lint"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
