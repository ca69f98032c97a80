"""Compares our advantages with a reference's: `hae_conformance FILE`, a JSON file of cases.

Exit 0 where nothing differs by more than 1e-4, 1 where something does, 2 where FILE holds no cases.
"""

from __future__ import annotations

import argparse
import sys

from core.paths import user_path
from hae.cases import CaseError, differences, read_cases

TOLERANCE = 1e-4


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="hae_conformance", description=__doc__.splitlines()[0])
    parser.add_argument("file", help="JSON list of cases: config, input, output")
    file = parser.parse_args(arguments).file
    try:
        cases = read_cases(user_path(file))
        found = list(differences(cases))
    except CaseError as error:
        print(f"hae_conformance: {error}", file=sys.stderr)
        return 2
    for difference in found:
        if difference.greatest > TOLERANCE:
            print(f"case {difference.case}: {difference.field} differs by {difference.greatest:.3g}")
    greatest = max(difference.greatest for difference in found)
    print(f"{len(cases)} cases, greatest difference {greatest:.3g}")
    return 0 if greatest <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
