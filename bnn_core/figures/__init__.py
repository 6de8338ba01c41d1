"""Plotly figures of the pages, and the report as one HTML file."""
