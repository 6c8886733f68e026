-- Messages found by what is in their bodies, without a value standing here: the blind index. And what
-- the timeline of a message could not tell: when it was held, behind which one, and when it was let go.

-- `digest`: 8 bytes of HMAC-SHA256 of what is named (patient, visit, control id, key) and its value, under
-- a key that is not in this database. `narrow`: the same for who assigned a patient's number, or 0.
-- Written behind the accept path by `waybill serve`; rows go when the message's body goes.
create table find_index (
    digest bigint not null,
    id     uuid not null,
    narrow integer not null default 0,
    primary key (digest, id, narrow)
);
create index find_index_id on find_index (id);

-- How far the index is. One row.
create table find_cursor (
    one         boolean primary key default true check (one),
    -- every message up to this sequence number is indexed
    seq         bigint not null default 0 check (seq >= 0),
    -- when the newest of them was accepted
    through     timestamptz,
    -- a digest of nothing in particular: tells whether the key is still the same
    key_check   bigint,
    -- which replica of `waybill serve` writes
    lease       bigint,
    lease_until timestamptz,
    check ((lease is null) = (lease_until is null))
);
insert into find_cursor default values;

-- The last time it was held: no row for each, and no index.
alter table progress add column held_at timestamptz;
alter table progress add column held_after uuid;
alter table progress add column released_at timestamptz;

-- what was done about one message
create index if not exists audit_subjects on audit using gin (subjects);
