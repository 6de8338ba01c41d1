"""What the pages written as HTML share: the template, pictures and plots."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import plotly.graph_objects as go
from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from plotly.io.json import to_json_plotly

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


@dataclass(frozen=True)
class Plot:
    """A figure for templates/plots.html: its name, height in pixels, and JSON that is safe in HTML."""

    name: str
    height: int
    json: Markup


def plot(figure: go.Figure, name: str) -> Plot:
    """A figure, dark on white."""
    figure.update_layout(font={"color": "#20272B"}, template="none")
    drawing = figure.to_plotly_json() | {"config": chart_config(name) | {"responsive": True}}
    text = to_json_plotly(drawing).replace("<", "\\u003c")
    return Plot(name, int(figure.layout.height), Markup(text))


@cache
def template(name: str) -> Template:
    """A template of this folder."""
    return template_environment(PackageLoader("bnn_core.figures")).get_template(name)


def template_environment(loader: BaseLoader) -> Environment:
    """Templates that escape every text put into them and refuse names that are not given."""
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
