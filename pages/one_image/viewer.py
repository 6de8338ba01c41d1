"""Microscope images to look into: channels, a reference beside, contrast, zoom, a scale bar."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from bnn_core.study.fields import MOST_GAIN
from bnn_core.study.folder import Study
from pages.one_image import references
from pages.shared import choices, frame, studies

SET, SAFE = "set", "colour-blind"
COLOURS = {SET: "as in the data set", SAFE: "colour-blind safe"}
CONTRASTS = {"plate": "per plate", "full": "true scale", "image": "this image alone"}
ONE, CHANNELS = "one picture", "channels side by side"
#: The key of the menu of what is side by side.
PANES = "panes"
_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "image_viewer",
    html=(_HERE / "viewer.html").read_text(encoding="utf-8"),
    css=(_HERE / "viewer.css").read_text(encoding="utf-8"),
    js=(_HERE / "viewer.js").read_text(encoding="utf-8"),
)


def pick_panes(study: Study) -> str:
    """The menu of what is side by side; `image_viewer` draws it."""
    several = len(study.meta.get("channels") or []) > 1
    options = [ONE, *([CHANNELS] if several else []), *references.possible_references(study)]
    return choices.pick("Show", options, key=PANES, label_visibility="collapsed", width="content")


def image_viewer(study: Study, row: int, key: str, look: str) -> None:
    """The original image at full resolution, drawn with the settings of the controls below it.

    look: of `pick_panes`.
    """
    channels = study.meta.get("channels") or []
    picture = st.container()
    shown = _pick_channels(channels) if look != CHANNELS else channels
    options = _pick_drawing(study, len(channels) > 1 and look != CHANNELS)
    image_id = str(study.images["image_id"].iat[row])

    def pane(of: int, title: str = "", names: list[str] = shown) -> dict[str, str | None]:
        part = {"channels": ",".join(names)} if len(names) < len(channels) else {}
        return {
            "url": frame.image_url(study, of, "full", **options, **part),
            "alt": f"{study.images['image_id'].iat[of]}, {', '.join(names)}",
            "title": title,
            "thumbnail": frame.image_url(study, of) if study.has_thumbnail(of) else None,
        }

    if look == CHANNELS:
        panes = [pane(row, "all"), *(pane(row, name, [name]) for name in channels)]
    elif look == ONE or (reference := references.of(study, row, look)) is None:
        panes = [pane(row)]
    else:
        panes = [pane(row, image_id), pane(reference.row, reference.words)]
    with picture:
        data = {"panes": panes, "micrometres": study.meta.get("pixel_size_um")}
        _component(key=key, data=data | {"what": _what(study, row)})
        if look not in (ONE, CHANNELS):
            st.caption(references.explained(study, row, look))


def _what(study: Study, row: int) -> str:
    """The image in words, for full screen: "P1/B02: A → B"."""
    image = studies.table(study, study.reading_method).iloc[row]
    label = "no label" if pd.isna(image["label"]) else image["label"]
    return f"{image['image_id']}: {label} → {image['predicted']}"


def _pick_channels(channels: list[str]) -> list[str]:
    if len(channels) < 2:
        return channels
    choices.restrict("channels", channels, [])
    return (
        st.pills(
            "Channels",
            channels,
            selection_mode="multi",
            key="channels",
            bind="query-params",
            help="No choice shows all channels together. A single channel is grey.",
        )
        or channels
    )


def _pick_drawing(study: Study, coloured: bool) -> Mapping[str, Any]:
    """Colours, contrast and brightness, as options of an image's address."""
    colours = SET
    with st.container(horizontal=True, gap="medium"):
        if coloured:
            colours = st.segmented_control(
                "Colours",
                list(COLOURS),
                key="colours",
                default=SET,
                required=True,
                bind="query-params",
                format_func=COLOURS.get,
            )
        contrast = st.segmented_control(
            "Contrast",
            list(CONTRASTS),
            key="contrast",
            default="plate",
            required=True,
            bind="query-params",
            format_func=CONTRASTS.get,
            help="With contrast fixed per plate and channel, two images can be compared; tiles have it "
            "too. True scale: from 0 to the most that the camera can write. The contrast of "
            "one image alone makes empty images bright: do not judge a phenotype by it.",
        )
        gain = st.slider(
            "Brightness",
            1.0,
            MOST_GAIN,
            1.0,
            0.5,
            format="%.1f×",
            key="gain",
            bind="query-params",
            width=170,
            help="Multiplies the intensities of all images by the same factor, so two images can still "
            "be compared. Brighter than white becomes white.",
        )
    if contrast == "image":
        st.caption(
            ":material/warning: The contrast is set for this image alone: do not compare its brightness "
            "with other images."
        )
    if study.meta.get("pixel_size_um") is None:
        st.caption("No scale bar: the study has no pixel size (`--pixel-size` of `bnn study`).")
    return {"side": "all", "palette": colours, "contrast": contrast, "gain": gain}
