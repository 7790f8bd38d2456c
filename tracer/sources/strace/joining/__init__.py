"""From rows to records: one record for each thing that happened, whatever number of lines tells of it."""
