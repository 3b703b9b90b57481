"""Plain command lines are read without the library for it: as it reads them, or left to it."""

import os
import subprocess
import sys

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from cantilena.cli.command import command
from cantilena.cli.options import Verb, flags, is_place, kind_of, read_plainly
from cantilena.cli.verbs import VERBS

NONE = object()


def by_typer(verb, words):
    """What typer reads of a command line; NONE where it would not run the verb."""
    got = []
    app = typer.Typer()
    app.command()(command(Verb(verb.name, got.append, verb.help, verb.kinds, verb.needs, verb.may_lack)))
    try:
        app(list(words), standalone_mode=False)
    except (Exception, SystemExit):
        return NONE
    return got[0] if got else NONE


def values(field):
    texts = st.sampled_from(["a.mid", "1,0 0,1", "C major", "-", "x=y", "", "5", "--", "-x", "é"])
    numbers = st.sampled_from(["3", "0.5", "-1", "1e3", "07", " 3", "x", "1_0", "nan", "٣"])
    return numbers if kind_of(field) in (int, float) else texts


@st.composite
def lines(draw):
    verb = VERBS[draw(st.sampled_from(sorted(VERBS)))]
    words = []
    for field in draw(st.permutations(verb.fields))[: draw(st.integers(0, 5))]:
        if is_place(field):
            continue
        flag = draw(st.sampled_from(flags(field)))
        if field.plain is bool:
            words.append(draw(st.sampled_from([flag, f"{flag}=1"])))
        else:
            value = draw(values(field))
            words += draw(st.sampled_from([[flag, value], [f"{flag}={value}"], [flag + value], [flag]]))
    for _ in range(draw(st.integers(0, 3))):
        words.insert(draw(st.integers(0, len(words))), draw(st.sampled_from(["song.mid", "-", "--help", "-o", "b c"])))
    if draw(st.booleans()):
        words += ["-o", "out.mid"]
    return verb, words


@given(lines())
def test_a_line_is_read_as_typer_reads_it_or_left_to_it(line):
    verb, words = line
    if (read := read_plainly(verb, words)) is not None:
        assert read == by_typer(verb, words)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("compose", ""),
        ("compose", "--plain --format mid --seed 7 -n 4 --temperature 0.95 -o tunes --key=C"),
        ("infill", "- --bars 3-4 -o - --force"),
        ("bridge", "a.mid --bars 8 b.mid -o both.mid"),
        ("blend", "a.mid b.mid c.mid --weights 1,0,0 -o blend.mid"),
        ("blend", "--plan plan.json -o blend.mid"),
    ],
)
def test_plain_lines_are_read_here(name, line):
    verb = VERBS[name]
    read = read_plainly(verb, line.split())
    assert read is not None
    assert read == by_typer(verb, line.split())


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("compose", "--help"), ("compose", "--seed"), ("compose", "--seed x"), ("compose", "--what 1"), ("compose", "a"),
        ("infill", "a.mid --bars 3"), ("infill", "--bars 3 -o x.mid"), ("bridge", "a.mid -o x.mid"),
        ("infill", "a.mid --bars 3 -o --force"),
    ],
)  # fmt: skip
def test_what_lacks_or_is_wrong_is_left_to_it(name, line):
    assert read_plainly(VERBS[name], line.split()) is None


@pytest.mark.parametrize(
    ("words", "none_of"),
    [
        (["--help"], ["numpy", "onnxruntime", "rich", "pydantic", "cantilena.corpus.store", "importlib.metadata"]),
        (["compose", "--plain", "--bars", "8", "--format", "mid", "--steps", "1", "-o", "t"],
         ["typer", "pydantic", "rich", "symusic", "cantilena.corpus.store", "cantilena.music.draw",
          "cantilena.music.render", "cantilena.notation.to_abc", "torch"]),
    ],
)  # fmt: skip
def test_a_command_imports_what_it_needs(words, none_of, toy_model, tmp_path):
    words = words if words == ["--help"] else [*words, "--model", str(toy_model)]
    code = (
        "import sys\nfrom cantilena.cli import main\n"
        f"sys.argv = ['cantilena', *{words!r}]\n"
        "try:\n    main()\nfinally:\n"
        f"    print(sorted(set({none_of!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert (done.returncode, done.stderr) == (0, "[]\n")
