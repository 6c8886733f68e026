-- What an attempt had to say although it succeeded; and which patients were merged into which.

-- Not validated: the rows before this one have none, and looking at each would hold its lock.
alter table attempt add column warnings text[] not null default '{}';
alter table attempt add constraint attempt_warnings check (cardinality(warnings) <= 32) not valid;

-- When the sender recorded the newest event applied to the visit (EVN-2), where it said so.
alter table visit add column recorded_at timestamptz;

-- Where a merged patient's visits are. Flat: a survivor here is never itself a prior one here, so a
-- look-up is one step and there is no cycle; whoever writes holds the source's merge lock.
create table patient_merge (
    source             text not null,
    prior_id           text not null,
    prior_authority    text not null,
    survivor_id        text not null,
    survivor_authority text not null,
    merged_by          uuid not null,
    primary key (source, prior_id, prior_authority),
    check ((prior_id, prior_authority) <> (survivor_id, survivor_authority))
);
create index patient_merge_survivor on patient_merge (source, survivor_id, survivor_authority);
