"""What the pages written as HTML share: the template, pictures and plots."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from plotly.io import to_html

from bnn_core.figures.style import chart_config
from bnn_core.study.folder import Study


@dataclass(frozen=True)
class Picture:
    """A thumbnail: its image's id, and WebP bytes in base64."""

    name: str
    webp: str


def pictures(study: Study, rows: Iterable[int]) -> list[Picture]:
    """Thumbnails of the images that have one."""
    return [
        Picture(str(study.images["image_id"].iat[row]), base64.b64encode(webp).decode())
        for row in map(int, rows)
        if (webp := study.thumbnail(row))
    ]


def plot(figure: go.Figure, name: str) -> Markup:
    """A figure as HTML, dark on white; the page needs Plotly's script before it."""
    figure.update_layout(font={"color": "#20272B"}, template="none")
    html = to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config=chart_config(name) | {"responsive": True},
    )
    return Markup(html)


@cache
def template(name: str) -> Template:
    """A template of this folder; every text put into it is escaped."""
    environment = Environment(
        loader=PackageLoader("bnn_core.figures"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
