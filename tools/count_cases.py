"""Counts the test cases of a Bazel run: count_cases.py BUILD_EVENT_JSON_FILE. Standard library only."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse


@dataclass(frozen=True)
class Counts:
    """Test cases by outcome."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def events(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def cases(xml: Path) -> Counts:
    """Cases of one test.xml, as pytest or Bazel writes it."""
    counts = Counts()
    for case in ElementTree.parse(xml).iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            counts += Counts(failed=1)
        elif "skipped" in outcomes:
            counts += Counts(skipped=1)
        else:
            counts += Counts(passed=1)
    return counts


def of_result(result: dict) -> Counts:
    """The cases of a testResult event; a failed target without failed cases counts as one failure."""
    files = {output["name"]: output["uri"] for output in result.get("testActionOutput", [])}
    xml = Path(unquote(urlparse(files["test.xml"]).path)) if "test.xml" in files else None
    counts = cases(xml) if xml and xml.exists() else Counts()
    if result.get("status") != "PASSED" and not counts.failed:
        counts += Counts(failed=1)
    return counts


def count(path: Path) -> Counts:
    """Counts the last attempt at each test; a target that could not be built counts as one failure."""
    results: dict[tuple, Counts] = {}
    unbuilt: set[str] = set()
    for event in events(path):
        identity = event.get("id", {})
        if "testResult" in identity and "testResult" in event:
            key = identity["testResult"]
            results[key["label"], key.get("run"), key.get("shard")] = of_result(event["testResult"])
        elif "targetCompleted" in identity and not event.get("completed", {}).get("success"):
            unbuilt.add(identity["targetCompleted"]["label"])
    unbuilt -= {label for label, _, _ in results}
    return sum(results.values(), Counts(failed=len(unbuilt)))


if __name__ == "__main__":
    print(count(Path(sys.argv[1])))
