"""The study folder, the only contract between engine and pages: writing, reading, checking it."""
