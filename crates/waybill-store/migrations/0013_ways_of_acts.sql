-- Each act says by which way it came. A plan is made once, however often it is asked for. And names that
-- were typed at a login are kept under a key.

alter table audit
    -- none: what wrote it did not say
    add column via     text check (via in ('cli', 'console', 'serve')),
    -- of the console: from where, and in which session (the first 12 hexadecimal digits of the
    -- token's SHA-256)
    add column address text,
    add column session text;
alter table audit drop constraint audit_version_check;
-- not validated: the old rows were held by a narrower check
alter table audit add constraint audit_version_check check (
    version in (1, 2)
    and (version = 2 or (via is null and address is null and session is null))
    and (coalesce(via, '') = 'console' or (address is null and session is null))) not valid;

create function audit_optional(value text) returns bytea language sql immutable parallel safe
set search_path = public, pg_temp as
$$ select coalesce('\x01'::bytea || audit_text(value), '\x00'::bytea) $$;

-- Version 1 as ever; version 2 is the same, and the way. `waybill_core::audit` computes the same.
create or replace function audit_hash(entry audit) returns bytea language sql stable parallel safe
set search_path = public, pg_temp as
$$
select sha256(
    convert_to('waybill audit ' || entry.version, 'UTF8')
    || int8send(entry.position) || entry.previous || int8send(entry.id)
    || int8send((extract(epoch from entry.at) * 1000000)::bigint)
    || audit_text(entry.actor) || audit_text(entry.action) || audit_text(entry.reason)
    || int8send(cardinality(entry.subjects))
    || coalesce((select string_agg(uuid_send(id), ''::bytea order by n)
                 from unnest(entry.subjects) with ordinality as s (id, n)), ''::bytea)
    || audit_optional(entry.source)
    || audit_text(entry.detail::text)
    || case when entry.version = 1 then ''::bytea
            else audit_optional(entry.via) || audit_optional(entry.address) || audit_optional(entry.session)
       end)
$$;

-- As in migration 7, with the new version.
create or replace function audit_chain() returns trigger language plpgsql security definer
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
    new.version := 2;
    -- under the lock, so that times are in order too, and nobody dates a row back
    new.at := clock_timestamp();
    new.hash := public.audit_hash(new);
    return new;
end $$;

-- Whoever makes a plan may name it: a second one of that name is not made.
alter table plan add column once text check (length(once) between 1 and 100);
create unique index plan_once on plan (once) where once is not null;

-- They were SHA-256 of what was typed, which can be found by trying. From now on HMAC-SHA256 under a key that
-- is not in this database; those that are there cannot be turned into it. The counts that throttle begin
-- anew.
truncate console_login;
