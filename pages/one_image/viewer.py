"""A microscope image to look into: channels, colours, contrast, zoom and a scale bar."""

from pathlib import Path

import streamlit as st

from bnn_core.study.fields import MOST_GAIN
from bnn_core.study.folder import Study
from pages.shared import choices, frame

SET, SAFE = "set", "colour-blind"
COLOURS = {SET: "as in the data set", SAFE: "colour-blind safe"}
CONTRASTS = {"plate": "per plate", "full": "true scale", "image": "this image alone"}
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
    """The original image at full resolution, drawn with the settings of the controls below it."""
    channels = study.meta.get("channels") or []
    picture = st.container()
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
                help="No choice shows all channels together. A single channel is grey.",
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
    options = {"side": "all", "palette": colours, "contrast": contrast, "gain": gain}
    if len(shown) < len(channels):
        options["channels"] = ",".join(shown)
    image_id = str(study.images["image_id"].iat[row])
    with picture:
        _component(
            key=key,
            data={
                "url": frame.image_url(study, row, "full", **options),
                "alt": f"{image_id}, {', '.join(shown)}",
                "micrometres": study.meta.get("pixel_size_um"),
            },
        )
