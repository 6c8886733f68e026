-- What a person decides about a dead letter: replay or discard.

-- The attempts made before the last replay. `attempts` is the fence and only grows; the retry policy
-- counts from here on. Not validated, so that the old rows need no scan: they have 0.
alter table progress add column attempts_base integer not null default 0;
alter table progress add constraint progress_attempts_base
    check (attempts_base >= 0 and attempts_base <= attempts) not valid;

-- One row per decision, written in the transaction that carried it out, with what was decided upon.
create table decision (
    seq          bigint generated always as identity primary key,
    id           uuid not null,
    verb         text not null check (verb in ('replay', 'discard')),
    decided_at   timestamptz not null default now(),
    -- in the operator's words; a discard has one always
    reason       text check (length(reason) between 1 and 500),
    dead_at      timestamptz not null,
    error_class  text not null,
    error_reason text not null,
    check (verb <> 'discard' or reason is not null)
);
create index decision_id on decision (id);

-- The places of dead messages that hold nothing (`on_dead = "skip"`), kept so that a replay finds
-- its place again. The gate never looks here.
create table skipped (
    id  uuid not null,
    key bigint not null,
    seq bigint not null,
    primary key (id, key)
);
