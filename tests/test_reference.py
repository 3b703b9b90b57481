"""docs/reference.md says what the structs say, all of it."""

import re
import runpy
from pathlib import Path

import pytest

from cantilena.asked import AskedRules
from cantilena.cli.shell import BlendPlan, Output, Shell, Steps, Tunes
from cantilena.fields import fields_of
from cantilena.requests import Blend, Bridge, Compose, Extend, Infill, Morph, Pick, Sampled, Vary

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "reference.md").read_text()


def test_it_is_up_to_date():
    made = runpy.run_path(str(DOCS / "make_reference.py"), run_name="reference")["reference"]()
    assert made == PAGE, "`make reference` writes it anew"


@pytest.mark.parametrize(
    "struct",
    [
        Compose,
        Pick,
        Infill,
        Extend,
        Bridge,
        Vary,
        Morph,
        Blend,
        Sampled,
        AskedRules,
        Output,
        Shell,
        Tunes,
        Steps,
        BlendPlan,
    ],
)
def test_every_field_of_every_struct_is_in_it(struct):
    for field in fields_of(struct):
        assert re.search(rf"^\| `{field.name}` \|", PAGE, re.MULTILINE), field.name


def test_every_row_is_a_row():
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
