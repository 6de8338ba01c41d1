"""Arrays and tables in, numbers out: uncertainty, evaluation, intervals, cut-offs, comparison."""
