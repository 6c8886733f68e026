-- What is dead now, and which of it is alike: the list that operators page through. Entered and left
-- by the transactions that move the message; `waybill migrate` enters what was dead before.
--
-- One statement, run outside of a transaction: it commits between its steps, so that no step holds a
-- lock for longer than a moment. Each step may be repeated.
do $migration$
begin
    -- What dead letters of one fingerprint have in common. A row stays when the last of them is gone.
    create table if not exists dead_group (
        fingerprint bigint primary key,
        source      text not null,
        kind        text not null,
        error_class text not null,
        -- the reason without ids, numbers, times and quoted values
        pattern     text not null
    );

    -- Narrow: what its group says is not repeated here.
    create table if not exists dead_list (
        id          uuid primary key,
        dead_at     timestamptz not null,
        fingerprint bigint not null
    );
    -- A group's oldest, its newest and its pages come out of this index alone.
    create index if not exists dead_list_group on dead_list (fingerprint, dead_at, id);

    -- How many of each fingerprint are on the list: the sum of `n`. A change appends a row, so nobody
    -- waits for a counter; a sweep adds rows up. Written by the list itself, so it cannot drift.
    create table if not exists dead_tally (
        seq         bigint generated always as identity primary key,
        fingerprint bigint not null,
        n           bigint not null check (n <> 0)
    );
    create or replace function dead_list_tally() returns trigger language plpgsql as $$
    begin
        if tg_op <> 'INSERT' then
            insert into dead_tally (fingerprint, n)
            select fingerprint, -count(*) from gone group by fingerprint;
        end if;
        if tg_op <> 'DELETE' then
            insert into dead_tally (fingerprint, n)
            select fingerprint, count(*) from come group by fingerprint;
        end if;
        return null;
    end $$;
    create or replace trigger dead_list_come after insert on dead_list
        referencing new table as come for each statement execute function dead_list_tally();
    create or replace trigger dead_list_gone after delete on dead_list
        referencing old table as gone for each statement execute function dead_list_tally();
    create or replace trigger dead_list_changed after update on dead_list
        referencing old table as gone new table as come
        for each statement execute function dead_list_tally();
    commit;

    -- the dead of a key, in sources that skip them
    create index if not exists skipped_key on skipped (key);
    commit;

    create or replace view dead_letter as
    select p.id, p.source, p.kind, p.attempts, r.received_at, p.finished_at as dead_at,
           p.error_class, p.error_reason,
           (select count(distinct w.id) from ordering o
            join ordering w on w.key = o.key and w.seq > o.seq where o.id = p.id) as holds,
           -- 16 hexadecimal digits
           lpad(to_hex(l.fingerprint), 16, '0') as fingerprint
    from progress p
    join receipt r on r.id = p.id
    left join dead_list l on l.id = p.id
    where p.state = 'dead';
end
$migration$;
