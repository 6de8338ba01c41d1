"""What every other wing uses: errors, files, wording, and the records of methods and scores."""
