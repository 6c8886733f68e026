-- Undo of a discard; and edits: a corrected body, as a message of its own, in the place of a dead letter.

-- Not validated: the old rows were held by a narrower check, and looking at each would hold its lock.
alter table decision drop constraint decision_verb_check;
alter table decision add constraint decision_verb_check
    check (verb in ('replay', 'discard', 'undo')) not valid;
-- of a discard that may be undone: in how many keys it gave up a place
alter table decision add column places integer;
-- of an undo: although later messages of its keys had had effects, or were about to
alter table decision add column out_of_order boolean not null default false;

-- The places that a discard gave up, for as long as it may be undone. The gate never looks here.
create table given_up (
    id          uuid not null,
    key         bigint not null,
    seq         bigint not null,
    -- it held its key until then; else it was skipped, and its place was kept out of the gate's sight
    holds       boolean not null,
    -- the first later message of the key that has had effects since
    passed_by   uuid,
    given_up_at timestamptz not null default now(),
    primary key (id, key)
);
create index given_up_key on given_up (key, seq);
create index given_up_since on given_up (given_up_at);

-- Which message was made to take the place of which: an edit. Rows never change.
create table replacement (
    id          uuid primary key,
    -- once: of two edits of one message, one is
    replaces    uuid not null unique,
    -- the place among its keys: the original's, not its own receipt's
    seq         bigint not null,
    replaced_at timestamptz not null default now(),
    actor       text not null check (actor <> ''),
    reason      text not null check (length(reason) between 1 and 500),
    check (id <> replaces)
);

-- What an edit changed, as a unified difference. It holds lines of both bodies and is let go with the
-- original's.
create table difference (
    id         uuid primary key,
    source     text not null,
    replaces   uuid not null,
    difference bytea not null
);
create index difference_source on difference (source, replaces);
