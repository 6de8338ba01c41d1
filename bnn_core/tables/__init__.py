"""Reading tables of other programs: columns, class probabilities, samples, wells, joins."""
