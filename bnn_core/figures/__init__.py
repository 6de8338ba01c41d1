"""Plotly figures, one module per page: a table in, a figure out. Nothing here reads files."""
