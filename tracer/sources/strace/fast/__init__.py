"""Ways to the same records that are shorter: what a log repeats is understood once, what cannot matter is skipped."""
