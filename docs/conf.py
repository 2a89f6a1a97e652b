"""The documentation site: ``make docs`` builds it offline, from the repository's own pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

project = "clr_ignite"
author = copyright = "the authors of clr_ignite"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# The pages stand where a repository shows them, so the source is the repository itself.
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docker/*.md", "findings/*.md"]
include_patterns += ["results/*.md", "results/*/*.md"]
exclude_patterns = [".*", "build", "data", "runs", "demo"]

myst_heading_anchors = 3  # links to headings as repositories make them
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_preserve_defaults = True
toc_object_entries = False
napoleon_custom_sections = [("Source", "returns_style")]

html_theme = "alabaster"  # comes with Sphinx and loads nothing from elsewhere
html_title = "clr_ignite"
html_copy_source = False
html_theme_options = {
    "description": "The learning-rate range test and cyclical learning rates",
    "page_width": "1080px",
    "fixed_sidebar": True,
}


def named(app: object, page: str, source: list[str]) -> None:
    """A page without a heading, as `report` writes it, gets one for the site."""
    if not source[0].lstrip().startswith("#"):
        source[0] = f"# All rows\n\n{source[0]}"


def setup(app: Any) -> None:
    app.connect("source-read", named)
