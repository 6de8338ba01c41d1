"""The server: the pages of pages/main.py, and images by study and row.

streamlit run app.py
"""

from pathlib import Path

import streamlit as st

from pages.shared import warming
from pages.shared.guard import middleware
from pages.shared.routes import ROUTES

app = st.App(Path(__file__).parent / "pages" / "main.py", routes=ROUTES, middleware=middleware())
warming.start()
