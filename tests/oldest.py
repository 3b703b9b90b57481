"""The oldest versions that pyproject.toml allows, as constraints for pip: `make oldest` tests with them.

Read from pyproject.toml itself, so the two cannot drift apart: `"typer>=0.15"` becomes `typer==0.15`.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def oldest(requirements: Sequence[str]) -> Iterator[str]:
    """`name==version` of each requirement's lower bound; ValueError where one has none."""
    for requirement in requirements:
        bound = re.match(r"([\w.-]+)(?:\[[\w,]+\])?\s*>=\s*([\w.]+)", requirement)
        if bound is None:
            raise ValueError(f"{requirement}: expected a lower bound, such as name>=1.2")
        yield "{}=={}".format(*bound.groups())


def main(*extras: str) -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    for group in (project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)):
        print(*oldest(group), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
