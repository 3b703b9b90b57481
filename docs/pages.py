"""What mkdocs cannot do alone: pages of the reference, doctests as code, and a look for what other hosts would load.

`mkdocs.yml` names this file twice: as its hooks, and as an extension of the reader of docstrings.
"""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

PACKAGE = Path(__file__).parents[1] / "src" / "cantilena"
LEFT_OUT = ("__main__", "cli", "models")  # no Python to call


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for the public names, and one for each module and folder of the package."""
    pages = {"cantilena": names()}
    for part in sorted(PACKAGE.iterdir(), key=lambda part: part.stem):
        if part.stem in LEFT_OUT or part.stem.startswith("__") or not (part.suffix == ".py" or part.is_dir()):
            continue
        if text := "\n\n".join(blocks(part)):
            pages[f"cantilena.{part.stem}"] = f"# {part.stem}\n\n{text}\n"
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name.removeprefix('cantilena.')}.md", content=text))
    paths = [f"reference/{name.removeprefix('cantilena.')}.md" for name in pages]
    config.nav = [*(config.nav or []), {"Reference": [{n: p} for n, p in zip(pages, paths, strict=True)]}]
    return files


def names() -> str:
    """The names that `import cantilena` offers, each with a link to where it is described."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    found = {
        alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cantilena.")
        for alias in node.names
    }
    lines = [f"- [`cantilena.{name}`][{found[name]}]" for name in sorted(found, key=str.lower)]
    return "# cantilena\n\nThese names come with `import cantilena`:\n\n" + "\n".join(lines) + "\n"


def blocks(part: Path) -> Iterator[str]:
    """A mkdocstrings block for each module in this module or folder that has an `__all__`."""
    for module in sorted([part, *part.rglob("*.py")] if part.is_dir() else [part]):
        source = module / "__init__.py" if module.is_dir() else module
        if not source.exists() or (source.name == "__init__.py" and module is not part):
            continue
        dotted = ".".join(["cantilena", *module.relative_to(PACKAGE).with_suffix("").parts])
        if module.is_dir():
            yield f"::: {dotted}\n    options:\n      members: false"
        elif "__all__" in source.read_text():
            yield f"::: {dotted}"


class Doctests(griffe.Extension):
    """Fences doctests, which Markdown would take for quotations."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Mend the docstring of whatever was read."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"(?:^>>> .*\n?(?:^\S.*\n?)*)+", _fenced, obj.docstring.value, flags=re.MULTILINE
            )


def _fenced(doctest: re.Match[str]) -> str:
    return f"```pycon\n{doctest[0].rstrip()}\n```\n"


def on_post_build(config: MkDocsConfig) -> None:
    """PluginError where a built page, style sheet or script would load something from another host."""
    site = Path(config.site_dir)
    for script in site.rglob("*.js"):  # the theme's own would fetch what only old browsers and diagrams need
        script.write_text(script.read_text().replace("https://unpkg.com/", "absent/"))
    found = [
        f"{page.relative_to(site)}: {url}" for page in sorted(site.rglob("*.html")) for url in loaded(page.read_text())
    ]
    for sheet in sorted(site.rglob("*.css")):
        urls = re.findall(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text())
        found += [f"{sheet.relative_to(site)}: {url}" for url in urls]
    if found:
        raise PluginError("pages must load nothing from other hosts:\n" + "\n".join(found))


def loaded(page: str) -> list[str]:
    """Addresses on other hosts that a browser fetches when it shows this page; links are only followed by people."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            for name, value in attrs:
                fetched = name in ("src", "srcset", "poster", "data") or (
                    tag in ("link", "use", "image") and "href" in name
                )
                if fetched and dict(attrs).get("rel") != "canonical" and re.match(r"(https?:)?//", value or ""):
                    found.append(value or "")

    Reader().feed(page)
    return found
