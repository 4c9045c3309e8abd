"""Sphinx's configuration: ``make docs`` builds the site."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

distribution = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

project = distribution["name"]
version = release = distribution["version"]
html_title = project
html_short_title = project

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "tools.site.repository",
    "tools.site.reference",
    "tools.site.pictures",
]
exclude_patterns = ["pictures", "start/_*"]

# A name of this project that is not in the reference is an error. Type variables are in none.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!tenantshield_mw\b).*"),
    ("py:class", r"tenantshield_mw\..*\.([A-Z]|_\w+)"),
]

myst_enable_extensions = ["colon_fence", "deflist", "attrs_block", "attrs_inline"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_permalinks_icon = "#"
html_theme_options = {
    "source_repository": "https://github.com/tenantshield/tenantshield-mw/",
    "source_branch": "main",
    "source_directory": "docs/",
    "light_css_variables": {"color-brand-primary": "#1d5e4a", "color-brand-content": "#1a6a8a"},
    "dark_css_variables": {"color-brand-primary": "#6fd0ad", "color-brand-content": "#79c0e0"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"

# Copies the commands without their prompts, and no output.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_copy_empty_lines = False
copybutton_exclude = ".linenos"
