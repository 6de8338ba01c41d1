"""What people decided on images: the log, filters, export and import, corrected labels."""
