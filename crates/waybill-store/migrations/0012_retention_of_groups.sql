-- Groups of dead letters that have been empty for longer than bodies are kept go.

-- since when a sweep has found nobody in the group
alter table dead_group add column empty_since timestamptz;
