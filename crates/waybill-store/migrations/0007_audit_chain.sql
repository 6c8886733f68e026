-- Each row of the audit trail carries the hash of the row before it and of its own content, so that
-- a row which is changed, taken out or put in later no longer fits. And: a source may be paused, and
-- its silence be expected.

alter table audit
    -- gapless, unlike the identity: a transaction that is rolled back leaves no hole here
    add column position bigint,
    -- how the content is written for hashing: docs/adr/0016
    add column version  smallint not null default 1 check (version = 1),
    add column previous bytea check (octet_length(previous) = 32),
    add column hash     bytea check (octet_length(hash) = 32);

-- Length before text, so that no two contents are written alike.
create function audit_text(value text) returns bytea language sql immutable strict parallel safe
set search_path = pg_catalog as
$$ select int8send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8') $$;

-- Version 1. `waybill_core::audit` computes the same.
create function audit_hash(entry audit) returns bytea language sql stable parallel safe
set search_path = public, pg_temp as
$$
select sha256(
    convert_to('waybill audit 1', 'UTF8')
    || int8send(entry.position) || entry.previous || int8send(entry.id)
    || int8send((extract(epoch from entry.at) * 1000000)::bigint)
    || audit_text(entry.actor) || audit_text(entry.action) || audit_text(entry.reason)
    || int8send(cardinality(entry.subjects))
    || coalesce((select string_agg(uuid_send(id), ''::bytea order by n)
                 from unnest(entry.subjects) with ordinality as s (id, n)), ''::bytea)
    || coalesce('\x01'::bytea || audit_text(entry.source), '\x00'::bytea)
    || audit_text(entry.detail::text))
$$;

-- What was written before there was a chain.
alter table audit disable trigger audit_is_append_only;
do $$
declare
    entry audit;
    place bigint := 0;
    head bytea := decode(repeat('00', 32), 'hex');
begin
    for entry in select * from audit order by id loop
        place := place + 1;
        entry.position := place;
        entry.previous := head;
        head := audit_hash(entry);
        update audit set position = place, previous = entry.previous, hash = head where id = entry.id;
    end loop;
end $$;
alter table audit enable always trigger audit_is_append_only;

alter table audit alter column position set not null, alter column previous set not null,
    alter column hash set not null;
-- the arbiter: whatever goes wrong with the lock, no two rows have one place
create unique index audit_position on audit (position);
create index audit_at on audit (at);
create index audit_subjects on audit using gin (subjects);

-- Chains a row to the head, whoever writes it. The lock is held until its transaction ends, so rows
-- are committed in the order of their places; hence writers write here last. With the owner's rights,
-- so that a writer needs none but to insert; the names are fixed, so nobody can slip another table in.
create function audit_chain() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
begin
    -- the form with two numbers: no ordering key, which is one number, can be this lock
    perform pg_advisory_xact_lock(1464424535, 7);
    select position + 1, hash into new.position, new.previous
    from public.audit order by position desc limit 1;
    if not found then
        new.position := 1;
        new.previous := decode(repeat('00', 32), 'hex');
    end if;
    new.version := 1;
    -- under the lock, so that times are in order too, and nobody dates a row back
    new.at := clock_timestamp();
    new.hash := public.audit_hash(new);
    return new;
end $$;

create trigger audit_chain before insert on audit for each row execute function audit_chain();
alter table audit enable always trigger audit_chain;

-- Set and cleared by an operator; `apply` leaves them alone.
alter table source
    -- accepted, and not published, from then on
    add column paused_at      timestamptz,
    -- no alert for silence until then
    add column silenced_until timestamptz;
