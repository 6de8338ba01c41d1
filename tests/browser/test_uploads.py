"""An uploaded file lives as long as the tab that it came from."""

import tempfile
from pathlib import Path

from browsing import wait_for

NAME = "goes with its tab.csv"
TABLE = "image_id,label,cat,dog\na,cat,0.9,0.1\nb,dog,0.2,0.8\n"


def kept() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"bnn-uploads-*/**/{NAME}"))


def test_the_files_of_a_session_go_with_it(profile, tab):
    sender = profile.new_page()
    sender.goto("/your_data")
    sender.locator("[data-testid=stFileUploaderDropzoneInput]").first.set_input_files(
        {"name": NAME, "mimeType": "text/csv", "buffer": TABLE.encode()}
    )
    sender.get_by_text("2 images").first.wait_for()
    assert len(kept()) == 1
    sender.close()
    wait_for(tab, lambda: not kept())
