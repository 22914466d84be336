"""Sphinx configuration: ``make docs``.

Sphinx's source folder is the repository itself, of which it reads README.md, docs/ and the methods'
pages in configs/: so the links of the pages are the same here and on GitHub, and nothing is copied.
"""

import importlib
import runpy
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

project = "vdfd_seg"
author = "the vdfd_seg developers"
release = version = runpy.run_path(str(ROOT / "vdfd_seg" / "version.py"))["__version__"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",  # Formulas are set by the browser, with MathJax from its network.
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]

root_doc = "docs/index"
include_patterns = ["README.md", "docs/**.md", "configs/**/README.md", "tools/studies/README.md"]
exclude_patterns = [".*", "build", "data", "dist", "tests", "vdfd_seg*", "work_dirs"]

# What GitHub does as well: formulas between dollars, anchors of headings.
myst_enable_extensions = ["dollarmath"]
myst_dmath_allow_space = False
myst_dmath_allow_digits = False
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# Names are described where they are defined; a package's page has its own only.
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "ignore-module-all": True,
}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False
# Constants have the module of their type, which is no page of sources.
viewcode_follow_imported_members = False
python_use_unqualified_type_names = True

# Every reference must have a target (-n), but those to packages whose sites are not asked.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!vdfd_seg).*")]
# A type variable has no page.
nitpick_ignore = [("py:obj", "vdfd_seg.inference.predictor.Prediction")]

html_theme = "furo"
html_title = f"vdfd_seg {release}"
# The site's first page is docs/index.html; its root leads there.
html_extra_path = ["_site"]
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

warnings.filterwarnings("ignore", module="mmcv|mmengine|mmseg|torch")


def resolve_reexport(app, env, node, contnode):
    """Lead a reference to where its object is defined, if the page names a re-export of it.

    ``vdfd_seg.methods.PLOP`` is how the class is imported, and what docstrings say;
    ``vdfd_seg.methods.plop.PLOP`` is what its description is called.
    """
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("vdfd_seg."):
        return None
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
    defined = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    domain = env.get_domain("py")
    if defined == target or defined not in domain.objects:
        return None
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], defined, node, contnode
    )


def setup(app):
    """Connect the above."""
    app.connect("missing-reference", resolve_reexport)
