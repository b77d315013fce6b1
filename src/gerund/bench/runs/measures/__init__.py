"""What is measured, a file for each kind of figure with a tuple `MEASURES`; see `gerund.bench.runs.measuring`."""
