"""Whole studies from data to folder: plates, digits, arrays, imports, added images."""
