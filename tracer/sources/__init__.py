"""One reader per kind of input; each yields tracer.event values and knows nothing of the graph."""
