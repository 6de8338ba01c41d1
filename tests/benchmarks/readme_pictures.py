"""Make the two pictures of the README from the demo: the app in Chromium at 1280 x 800.

    python tests/benchmarks/readme_pictures.py

They go into the hidden folder `.pictures` beside the README.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from browsing import serving, settled  # noqa: E402

PAGES = {"overview": "/?study=demo", "suspect_labels": "/suspect_labels?study=demo"}


def main() -> None:
    """Take the pictures."""
    (ROOT / ".pictures").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        cache = Path(folder) / "cache"
        shutil.copytree(ROOT / "cache" / "demo", cache / "demo")
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(
            executable_path=program, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        with serving(cache) as (url, _):
            for name, address in PAGES.items():
                tab = browser.new_page(viewport={"width": 1280, "height": 800})
                tab.set_default_timeout(180_000)
                tab.goto(url + address)
                settled(tab)
                tab.wait_for_timeout(8000)
                settled(tab)
                picture = Image.open(io.BytesIO(tab.screenshot()))
                picture.convert("RGB").save(ROOT / ".pictures" / f"{name}.webp", quality=75)
        browser.close()


if __name__ == "__main__":
    main()
