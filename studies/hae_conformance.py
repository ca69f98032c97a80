"""Compares our advantages with those of a reference implementation, from a JSON file of cases.

The exit code is 0 if no number differs by more than 1e-4, 1 if one does, and 2 if FILE has no valid cases.
"""

from __future__ import annotations

from collections.abc import Sequence

from configuration.command import main as run
from configuration.command import parse
from configuration.syntax import Argument, NoFlags, NoSections, Syntax
from core.errors import InvalidInputError
from core.paths import user_path
from hae.cases import CaseError, differences, read_cases

TOLERANCE = 1e-4


SYNTAX = Syntax(
    "hae_conformance",
    NoSections,
    NoFlags,
    __doc__,
    arguments=(Argument("FILE", "a JSON list of cases: config, input, output"),),
)


def main(argv: Sequence[str]) -> int:
    (file,) = parse(argv, SYNTAX).arguments
    try:
        cases = read_cases(user_path(file))
        found = list(differences(cases))
    except CaseError as error:  # The library hae does not use the errors of core.
        raise InvalidInputError(str(error)) from error
    for difference in found:
        if difference.greatest > TOLERANCE:
            print(f"case {difference.case}: {difference.field} differs by {difference.greatest:.3g}")
    greatest = max(difference.greatest for difference in found)
    print(f"{len(cases)} cases, greatest difference {greatest:.3g}")
    return 0 if greatest <= TOLERANCE else 1


if __name__ == "__main__":
    run(main)
