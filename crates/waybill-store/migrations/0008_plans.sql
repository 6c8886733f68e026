-- Replay plans: a fixed set of dead letters, replayed at its own pace.
--
-- Whoever moves a plan locks its row, so the counts in it agree with its items at every commit, and
-- any number of replicas may run one plan.

create table plan (
    id              bigint generated always as identity primary key,
    made_at         timestamptz not null default now(),
    made_by         text not null check (made_by <> ''),
    -- why, in the operator's words
    reason          text not null check (length(reason) between 1 and 500),
    -- what was asked for, in words; never an ordering key
    asked           text not null,
    state           text not null default 'made' check (state in
                    ('made', 'running', 'ready', 'paused', 'stopped', 'finished', 'cancelled')),
    stopped_because text,

    canary          integer not null check (canary >= 0),
    confirm         boolean not null,
    rate_per_s      double precision check (rate_per_s > 0),
    stop_share      double precision not null check (stop_share between 0 and 1),

    -- items up to this place in the ledger have had their turn
    turn            bigint not null default 0,
    -- replays of a limited plan are paid for up to this moment
    paced_at        timestamptz,
    canary_passed   boolean not null default false,
    started_at      timestamptz,
    running_since   timestamptz,
    -- seconds it ran before that
    ran_s           double precision not null default 0,
    ended_at        timestamptz,

    -- its items by state
    items           integer not null default 0,
    waiting         integer not null default 0 check (waiting >= 0),
    replayed        integer not null default 0 check (replayed >= 0),
    recovered       integer not null default 0 check (recovered >= 0),
    failed          integer not null default 0 check (failed >= 0),
    held            integer not null default 0 check (held >= 0),
    skipped         integer not null default 0 check (skipped >= 0),
    -- what is judged: waybill_core::plan::Tally
    judged_begun     integer not null default 0,
    judged_recovered integer not null default 0,
    judged_failed    integer not null default 0,

    check (items = waiting + replayed + recovered + failed + held + skipped),
    check ((running_since is not null) = (state = 'running')),
    check ((stopped_because is not null) = (state = 'stopped')),
    check (state <> 'finished' or (waiting = 0 and ended_at is not null)),
    check (ended_at is null or (state in ('finished', 'cancelled') and replayed = 0))
);
create index plan_open on plan (id) where ended_at is null;

-- The items, in the order of the ledger, which is the order of their turns. The death that was looked
-- at is part of an item: a message that died again since is another matter.
create table plan_item (
    plan        bigint not null,
    seq         bigint not null,
    id          uuid not null,
    dead_at     timestamptz not null,
    -- its group then: source, kind and reason
    fingerprint bigint not null,
    state       text not null default 'waiting' check (state in
                ('waiting', 'replayed', 'recovered', 'failed', 'held', 'skipped')),
    -- failed: the class of its new failure; held: behind which dead letter; skipped: why
    why         text,
    primary key (plan, seq),
    check ((why is not null) = (state in ('failed', 'held', 'skipped')))
) with (fillfactor = 80);
create index plan_item_replayed on plan_item (plan, seq) where state = 'replayed';

-- The messages that waited behind a plan's items when it was made.
create table plan_waits (
    plan bigint not null,
    id   uuid not null,
    -- behind a dead letter that is not in the plan as well: the plan will not release it
    stays boolean not null,
    primary key (plan, id)
);

-- Which plan decided, if one did.
alter table decision add column plan bigint;
