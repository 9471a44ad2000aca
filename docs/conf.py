"""How Sphinx builds the document. It is called by build.py, which brings the pages together first.

Plan: the project · pages · requirements · the look.
"""

from opalink import __version__
from opalink.protocol.ir.load import catalogue

# ── The project ──────────────────────────────────────────────────────────────────────────────────────

project = "OPAL"
author = "The opalink authors"
copyright = "The opalink authors. The text is under CC BY 4.0"  # noqa: A001 (Sphinx's name for it)
release = version = __version__
extensions = ["myst_parser", "sphinx_needs", "sphinx_copybutton"]

# ── Pages ────────────────────────────────────────────────────────────────────────────────────────────

exclude_patterns = ["_static"]
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False

# ── Requirements ─────────────────────────────────────────────────────────────────────────────────────

needs_types = [{"directive": "req", "title": "Requirement", "prefix": "R-", "color": "#fff", "style": "node"}]
needs_fields = {name: {"nullable": True} for name in ("level", "role", "kind", "testability", "applies")}
needs_id_regex = "R-[A-Z]+-[0-9]{3}"
needs_role_need_template = "{{ id }}"
needs_build_json = True
needs_css = "blank.css"
needs_default_layout = "opal"
_FACTS = " · ".join(f"<<meta('{name}')>>" for name in needs_fields)
needs_layouts = {"opal": {"grid": "simple", "layout": {"head": [f"**<<meta_id()>>** {_FACTS}"]}}}

# ── The look ─────────────────────────────────────────────────────────────────────────────────────────

html_theme = "furo"
html_title = f"OPAL {catalogue().version}"
html_static_path = ["_static"]
html_css_files = ["opal.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
pygments_style, pygments_dark_style = "friendly", "github-dark"
