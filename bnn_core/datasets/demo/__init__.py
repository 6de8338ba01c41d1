"""The synthetic screen: compounds, faults and cells drawn by code."""
