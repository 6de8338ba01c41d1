"""A microscope image to look into: channels, colours, contrast, zoom and a scale bar."""

from pathlib import Path

import streamlit as st

from bnn_core.study.fields import MOST_GAIN
from bnn_core.study.folder import Study
from pages.shared import choices, frame

SET, SAFE = "set", "colour-blind"
COLOURS = {SET: "as the set has it", SAFE: "colour-blind safe"}
CONTRASTS = {"plate": "fixed per plate", "image": "this image alone"}
_HERE = Path(__file__).parent
_HTML = """<div class="viewer">
<div class="view" tabindex="0" role="img"><img draggable="false" alt="">
<div class="scale" hidden><span></span></div></div>
<div class="bar"><button type="button" class="out" aria-label="Zoom out">−</button>
<button type="button" class="in" aria-label="Zoom in">+</button>
<button type="button" class="fit">Fit</button><span class="zoom" role="status"></span></div>
</div>"""
_component = st.components.v2.component(
    "image_viewer",
    html=_HTML,
    css=(_HERE / "viewer.css").read_text(encoding="utf-8"),
    js=(_HERE / "viewer.js").read_text(encoding="utf-8"),
)


def image_viewer(study: Study, row: int, key: str) -> None:
    """The original of an image at full resolution, drawn as the controls below it say."""
    channels = study.meta.get("channels") or []
    place = st.container()
    shown, colours = channels, SET
    if len(channels) > 1:
        choices.fit("channels", channels, [])
        shown = (
            st.pills(
                "Channels",
                channels,
                selection_mode="multi",
                key="channels",
                bind="query-params",
                help="Nothing chosen shows all together; one alone is drawn in grey.",
            )
            or channels
        )
    with st.container(horizontal=True, gap="medium"):
        if len(channels) > 1:
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
            help="Fixed per plate and channel, two images can be compared. Never judge a phenotype "
            "by an image's own contrast: it makes empty images bright.",
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
            help="Multiplies the intensities of every image alike, so two images can "
            "still be compared. What becomes brighter than white is white.",
        )
    if contrast == "image":
        st.caption(
            ":material/warning: Contrast of this image alone: brightness cannot be compared "
            "with other images."
        )
    if study.meta.get("pixel_size_um") is None:
        st.caption(
            "No scale bar: the study does not know its pixel size (`--pixel-size` when it is made)."
        )
    options = {"side": "all", "palette": colours, "contrast": contrast, "gain": gain}
    if len(shown) < len(channels):
        options["channels"] = ",".join(shown)
    image_id = str(study.images["image_id"].iat[row])
    with place:
        _component(
            key=key,
            data={
                "url": frame.image_url(study, row, "full", **options),
                "alt": f"{image_id}, {', '.join(shown)}",
                "micrometres": study.meta.get("pixel_size_um"),
            },
        )
