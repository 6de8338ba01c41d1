"""HTML of the pages, from templates that escape every text put into them.

A template that one page uses lies beside that page, one that several use in `shared/templates`.
"""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from bnn_core.figures.html import template_environment

_PAGES = Path(__file__).parents[1]


def rendered(template: str, **values: object) -> Markup:
    """A template, by its path below pages/, with these values."""
    return Markup(_environment().get_template(template).render(values))


@cache
def _environment() -> Environment:
    return template_environment(FileSystemLoader(_PAGES))
