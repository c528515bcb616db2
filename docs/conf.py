"""How the documentation is built: Sphinx over Markdown, warnings are errors."""

project = "Farthing"
copyright = "2026, The Farthing Authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Farthing"
myst_heading_anchors = 3
