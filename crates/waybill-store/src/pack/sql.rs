//! The statements of a pack. The first ones read the ledger, once, into tables of the transaction's own;
//! the others read those. Times are turned into seconds by `date_part`: `extract` makes numerics of them,
//! which took a third of the whole.

/// The messages of the window (`$1`, `$2`, `$3`), and those accepted before it that died, were late or
/// were repaired in it. The ids' own time finds the first; the moment in the receipt decides.
pub(super) const MESSAGES: &str = "
create temporary table pack_row on commit drop as
with inside as (
    select id, source, kind, received_at from receipt
    where id >= id_at($1 - interval '1 minute') and id < id_at($2 + interval '1 minute')
      and received_at >= $1 and received_at < $2 and ($3::text is null or source = $3)
), deadline as materialized (
    select name, (spec->>'deadline_s')::float8 as deadline_s from source
), touched as (
    select id from decision where dead_at >= $1 and dead_at < $2 or decided_at >= $1 and decided_at < $2
    union
    select id from progress where state = 'dead' and finished_at >= $1 and finished_at < $2
    union
    select id from finding where found_at >= $1 and found_at < $2 or mended_at >= $1 and mended_at < $2
    union
    -- late in the window: past the deadline before its end, and open then
    select p.id from progress p
    join deadline s on s.name = p.source
    join receipt r on r.id = p.id
    where r.received_at < $1 and p.state <> 'dead'
      and (p.finished_at is null or p.finished_at >= $1)
      and r.received_at + make_interval(secs => s.deadline_s)
          < least($2, coalesce(p.finished_at, now()))
), scope as (
    select *, false as earlier from inside
    union all
    select r.id, r.source, r.kind, r.received_at, true
    from touched join receipt r using (id)
    where r.received_at < $1 and ($3::text is null or r.source = $3)
), death as (
    -- a discard that was undone is decided upon twice, and may be dead of it still: one death
    select id, dead_at, bool_or(replays) as replays, max(until) as until, max(until) >= $1 and dead_at < $2 as is_in
    from (select id, dead_at, verb = 'replay' as replays, decided_at as until from decision
          union all
          select id, finished_at, false, now() from progress where state = 'dead') d
    group by id, dead_at
), dead as (
    -- ever, and in the window: of what was accepted earlier only that counts
    select id, count(*) as deaths, count(*) filter (where replays) as replays,
           sum(date_part('epoch', until - dead_at)) as dead_s,
           count(*) filter (where is_in) as deaths_in,
           count(*) filter (where replays and until >= $1 and until < $2) as replays_in,
           sum(date_part('epoch', until - dead_at)) filter (where is_in) as dead_in_s
    from death group by id
), found as (
    select id, array_agg(problem order by problem) as findings, count(mended_at) as mended
    from finding group by id
)
select c.earlier, c.id, c.source, c.kind, c.received_at, p.state, p.attempts,
       p.finished_at, p.ignored is not null as is_ignored, s.deadline_s,
       date_part('epoch', coalesce(p.finished_at, now()) - c.received_at) as age_s,
       coalesce(case when c.earlier then d.deaths_in else d.deaths end, 0) as deaths,
       coalesce(case when c.earlier then d.replays_in else d.replays end, 0) as replays,
       case when c.earlier then d.dead_in_s else d.dead_s end as dead_s,
       f.findings, coalesce(f.mended, 0) as mended
from scope c
left join progress p using (id)
left join deadline s on s.name = c.source
left join dead d using (id)
left join found f using (id)";

/// What follows from a row. Gone with the transaction, which is never committed.
pub(super) const FOLLOWS: &str = "
create temporary view pack_message as
select *, case when state in ('processed', 'discarded') then age_s end as took_s,
       coalesce(state <> 'dead' and age_s > deadline_s, false) as delayed,
       case when state <> 'dead' and age_s > deadline_s then age_s - deadline_s end as late_s,
       coalesce(state = 'processed' and replays + mended > 0, false) as repaired,
       earlier or state is null or state not in ('processed', 'discarded') or deaths > 0
           or findings is not null or coalesce(age_s > deadline_s, false) as affected
from pack_row";

/// The deaths of those messages: all of those accepted in the window, of the others those in it.
pub(super) const DEATHS_OF: &str = "
create temporary table pack_death on commit drop as
select m.id, m.source, m.kind, m.earlier, d.dead_at as at, d.still, d.error_class, d.error_reason
from (select id, dead_at, bool_or(still) as still, max(error_class) as error_class, max(error_reason) as error_reason
      from (select id, dead_at, false as still, error_class, error_reason from decision
            union all
            select id, finished_at, true, error_class, error_reason from progress where state = 'dead') d
      group by id, dead_at) d
join pack_row m using (id)
where not m.earlier or d.dead_at >= $1 and d.dead_at < $2";

pub(super) const COUNT: &str = "select count(*) from pack_message where affected";

pub(super) const PARTNERS: &str = "
with sums as (
    select source, count(*) filter (where not earlier) as accepted,
           count(*) filter (where not earlier and state = 'processed') as processed,
           count(*) filter (where not earlier and state = 'discarded') as discarded,
           count(*) filter (where not earlier and state = 'dead') as dead,
           count(*) filter (where not earlier and state = 'held') as held,
           count(*) filter (where not earlier and state in ('accepted', 'published', 'processing', 'retrying'))
               as in_progress,
           count(*) filter (where not earlier and state is null) as unaccounted,
           count(*) filter (where not earlier and is_ignored) as ignored,
           count(*) filter (where not earlier and delayed) as delayed,
           max(late_s) filter (where not earlier) as late_max_s,
           count(*) filter (where not earlier and deaths > 0) as ever_dead,
           max(dead_s) filter (where not earlier) as dead_max_s,
           count(*) filter (where not earlier and replays > 0) as replayed,
           count(*) filter (where not earlier and repaired) as repaired,
           count(*) filter (where not earlier and findings is not null) as found,
           count(*) filter (where not earlier and attempts > 1) as retried,
           count(*) filter (where earlier) as earlier,
           count(*) filter (where earlier and delayed) as earlier_delayed,
           count(*) filter (where earlier and deaths > 0) as earlier_dead,
           count(*) filter (where earlier and repaired) as earlier_repaired,
           percentile_cont(array[0.5, 0.95]) within group (order by took_s)
               filter (where not earlier and state = 'processed') as within_s,
           max(took_s) filter (where not earlier and state = 'processed') as max_s,
           max(deadline_s) as deadline_s
    from pack_message group by source
), longest as (
    select m.source, min(m.id::text)::uuid as id
    from sums s join pack_message m on m.source = s.source and m.took_s = s.max_s
    where not m.earlier and m.state = 'processed' group by m.source
)
select s.*, within_s[1] as p50_s, within_s[2] as p95_s, l.id as longest
from sums s left join longest l using (source) order by s.source";

pub(super) const DEATHS: &str = "
select source, kind, error_class, error_reason, count(*) as deaths, count(*) filter (where still) as still_dead,
       count(*) filter (where earlier) as earlier, min(at) as first_at, max(at) as last_at,
       (array_agg(distinct id))[1:10] as examples
from pack_death group by 1, 2, 3, 4 order by 1, deaths desc, 2, 3, 4";

/// Of what was accepted in the window, in pieces of `$3`.
pub(super) const SLICES: &str = "
with moment as (
    select date_bin($3, received_at, $1) as at, 1 as accepted, 0 as finished, 0 as died, 1 as opened
    from pack_row where not earlier
    union all
    select date_bin($3, finished_at, $1), 0, 1, 0,
           -- what is discarded was dead already
           case when state = 'processed' then -1 else 0 end
    from pack_row where not earlier and state in ('processed', 'discarded') and finished_at < $2
    union all
    select date_bin($3, at, $1), 0, 0, 1, -1 from pack_death where not earlier and at < $2
    union all
    select date_bin($3, decided_at, $1), 0, 0, 0, 1
    from decision join pack_row m using (id)
    where not m.earlier and verb = 'replay' and decided_at < $2
), counted as (
    select at, sum(accepted) as accepted, sum(finished) as finished, sum(died) as died, sum(opened) as opened
    from moment group by at
)
select at, coalesce(accepted, 0)::bigint as accepted, coalesce(finished, 0)::bigint as finished,
       coalesce(died, 0)::bigint as died, sum(coalesce(opened, 0)) over (order by at)::bigint as open
from generate_series($1, $2 - interval '1 microsecond', $3) as at left join counted using (at) order by at";

pub(super) const AFFECTED: &str = "
select m.earlier, m.id, m.source, m.kind, r.idempotency_key, m.received_at, m.state, m.finished_at, m.took_s,
       m.attempts, m.delayed, m.late_s, m.deaths, m.dead_s, m.replays, m.repaired,
       coalesce(m.findings, '{}') as findings, p.error_class, p.error_reason
from pack_message m
join receipt r using (id)
left join progress p using (id)
where m.affected order by m.source, m.earlier, m.id";
