"""A live session: a source of events as they happen, the reconstructor, the recorder, and the check against /proc."""
