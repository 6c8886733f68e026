-- The ledger. What never changes (receipt, body) stands apart from what changes often (progress),
-- so that the hot rows stay narrow. Each state has its own shape, held by CHECK constraints: an
-- impossible row is refused, not repaired.

create table source (
    name       text primary key check (name ~ '^[a-z0-9-]{1,63}$'),
    spec       jsonb not null,
    enabled    boolean not null default true,
    changed_at timestamptz not null default now()
);

-- Keys are stored as HMAC-SHA256(pepper, key) alone.
create table source_key (
    id         text primary key,
    source     text not null references source (name),
    digest     bytea not null check (octet_length(digest) = 32),
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
create index source_key_source on source_key (source);

-- What a sender got for an accepted submission. Never changes. No foreign key to `source`: sources
-- are never deleted, and the accept path should not pay for proving it again and again.
create table receipt (
    id                  uuid primary key,
    seq                 bigint generated always as identity,
    source              text not null,
    kind                text not null,
    received_at         timestamptz not null,
    sha256              bytea not null check (octet_length(sha256) = 32),
    body_bytes          integer not null check (body_bytes >= 0),
    content_type        text not null,
    idempotency_key     text,
    -- 16 bytes of the key's hash; for HL7, 16 bytes of the body's hash follow, since senders
    -- reuse control ids for other messages
    dedupe_key          bytea,
    control_id_conflict boolean not null default false,
    check ((idempotency_key is null) = (dedupe_key is null))
);
-- Exactly one message per key: this index is the arbiter, not a check before the insert.
create unique index receipt_dedupe on receipt (source, dedupe_key) where dedupe_key is not null;

-- A source's messages by age: ids are version 7, so they sort by time.
create index receipt_source on receipt (source, id);

create table body (
    id   uuid primary key,
    body bytea not null
);
-- Bodies are large and random to the compressor; storing them plainly saves the accept path the try.
alter table body alter column body set storage external;

-- Where each message is: the hot row.
create table progress (
    id            uuid primary key,
    source        text not null,
    kind          text not null,
    lane          text not null,
    state         text not null default 'accepted' check (state in
                  ('accepted', 'published', 'held', 'processing', 'retrying', 'processed', 'dead', 'discarded')),
    attempts      integer not null default 0 check (attempts >= 0),
    -- the sender's trace context (W3C), where it gave one
    traceparent   text,
    -- due: the relay must publish it, from this moment on
    due_at        timestamptz,
    -- the relay's lease: whose window it is in, and until when it is not to be leased again
    lease         bigint,
    lease_until   timestamptz,
    -- the worker's claim
    claimed_by    text,
    claimed_at    timestamptz,
    claimed_until timestamptz,
    published_at  timestamptz,
    finished_at   timestamptz,
    -- why a processed message had no effects
    ignored       text,
    -- why the last attempt failed
    error_class   text,
    error_reason  text,

    check ((due_at is not null) = (state in ('accepted', 'retrying'))),
    check (lease_until is null or due_at is not null),
    check (lease is null or lease_until is not null),
    check (published_at is not null or state <> 'published'),
    check ((claimed_until is not null) = (state = 'processing')),
    check ((finished_at is not null) = (state in ('processed', 'dead', 'discarded'))),
    check (state <> 'dead' or (error_class is not null and error_reason is not null)),
    check (ignored is null or state = 'processed')
) with (fillfactor = 70);
create index progress_due on progress (lane, due_at) where due_at is not null;
create index progress_published on progress (lane) where state = 'published';
create index progress_claimed on progress (claimed_until) where state = 'processing';
create index progress_held on progress (id) where state = 'held';
create index progress_dead on progress (finished_at, id) where state = 'dead';
create sequence lease;

-- One row per attempt that ended, written in the transaction that ended it.
create table attempt (
    id           uuid not null,
    attempt      integer not null check (attempt > 0),
    worker       text not null,
    started_at   timestamptz not null,
    ended_at     timestamptz not null,
    outcome      text not null check (outcome in ('processed', 'ignored', 'failed', 'abandoned')),
    error_class  text,
    error_reason text,
    primary key (id, attempt),
    check ((outcome in ('failed', 'abandoned')) = (error_class is not null))
);

-- The unfinished messages of each ordering key, in the order they were accepted. Keys are hashes.
-- A message has a row per key until it is final (or dead in a source that skips the dead).
create table ordering (
    key bigint not null,
    seq bigint not null,
    id  uuid not null,
    primary key (key, seq)
);
create index ordering_id on ordering (id);

-- Which message of a key a worker has in hand: at most one, whatever its place.
create table in_hand (
    key bigint primary key,
    id  uuid not null
);
create index in_hand_id on in_hand (id);

-- Submissions answered as duplicates, counted by source.
create table duplicate (
    source text primary key,
    count  bigint not null default 0
);

-- The projection of kind `visit`.
create table visit (
    source            text not null,
    visit_id          text not null,
    patient_id        text not null,
    patient_authority text not null,
    family_name       text,
    given_name        text,
    birth_date        date,
    status            text not null check (status in
                      ('booked', 'arrived', 'in_progress', 'closed', 'cancelled', 'no_show')),
    location          text,
    scheduled_at      timestamptz,
    arrived_at        timestamptz,
    closed_at         timestamptz,
    updated_by        uuid not null,
    primary key (source, visit_id)
);
create index visit_patient on visit (source, patient_id, patient_authority);

-- The projection of kind `conditions-of-joining`.
create table conditions_of_joining (
    source                  text not null,
    programme_membership_id text not null,
    signed_at               timestamptz not null,
    version                 text not null,
    received_by             uuid not null,
    primary key (source, programme_membership_id)
);

-- What others may read of every message.
create view message as
select r.id, r.source, r.kind, p.lane, p.state, p.attempts, r.received_at, p.published_at,
       p.finished_at, encode(r.sha256, 'hex') as sha256, r.body_bytes as bytes, r.content_type,
       r.idempotency_key, r.control_id_conflict, p.due_at,
       -- never stored, so never out of date: what stands first in a key before it, or is in hand
       case when p.state = 'held' then coalesce(
           (select e.id from ordering o join ordering e on e.key = o.key and e.seq < o.seq
            where o.id = p.id order by e.seq limit 1),
           (select h.id from ordering o join in_hand h on h.key = o.key and h.id <> o.id
            where o.id = p.id limit 1)) end as held_behind,
       p.ignored, p.error_class, p.error_reason, p.claimed_by, p.claimed_at
from receipt r
join progress p on p.id = r.id;

-- What a person must look at.
create view dead_letter as
select p.id, p.source, p.kind, p.attempts, r.received_at, p.finished_at as dead_at,
       p.error_class, p.error_reason,
       (select count(distinct w.id) from ordering o
        join ordering w on w.key = o.key and w.seq > o.seq where o.id = p.id) as holds
from progress p
join receipt r on r.id = p.id
where p.state = 'dead';
