-- What the sweeps found and mended; how far each source's bodies have been let go; and bodies kept by
-- day, so that letting go of a day is dropping a table.
--
-- One statement, run outside of a transaction: it commits between its steps, so that no step holds
-- a lock on `body` for longer than a moment, however large the table is. Each step may be repeated.
do $migration$
declare
    boundary uuid;
begin
    -- the first id that a moment could have given (ids are UUIDs of version 7)
    create or replace function id_at(moment timestamptz) returns uuid language sql stable strict parallel safe
    return (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

    create table if not exists finding (
        id        uuid not null,
        problem   text not null,
        source    text not null,
        found_at  timestamptz not null default now(),
        mended_at timestamptz,
        primary key (id, problem)
    );
    create index if not exists finding_found on finding (found_at);

    -- of a source, every body of a final message before this id has been let go
    create table if not exists retention (
        source        text primary key,
        let_go_before uuid not null
    );
    commit;

    if (select relkind from pg_class where oid = 'body'::regclass) = 'p' then
        return;
    end if;

    -- the table that is there becomes the first part: all days up to the day after tomorrow
    select id_at((date_trunc('day', now() at time zone 'utc') + interval '2 days') at time zone 'utc') into boundary;
    alter table body drop constraint if exists body_first;
    execute format('alter table body add constraint body_first check (id < %L::uuid) not valid', boundary);
    commit;
    -- reads the whole table once, and stops nobody from writing
    alter table body validate constraint body_first;
    commit;

    alter table body rename to body_first;
    alter index body_pkey rename to body_first_pkey;
    create table body (
        id   uuid primary key,
        body bytea not null
    ) partition by range (id);
    alter table body alter column body set storage external;
    execute format('alter table body attach partition body_first for values from (minvalue) to (%L)', boundary);
    -- the net: what no day takes, and what outlives its day
    create table body_default partition of body default;
    alter table body_first drop constraint body_first;
    commit;
end
$migration$;
