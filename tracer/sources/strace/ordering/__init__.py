"""From records to events in the kernel's order: a task's birth comes before anything else of it."""
