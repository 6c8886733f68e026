-- Who looked at what, and why. Rows are added and never changed or taken away, whoever asks: what
-- an audit trail says must not depend on good behaviour.

create table audit (
    id       bigint generated always as identity primary key,
    at       timestamptz not null default clock_timestamp(),
    actor    text not null check (actor <> ''),
    action   text not null check (action <> ''),
    -- as the person gave it
    reason   text not null check (reason <> ''),
    -- the messages it was about
    subjects uuid[] not null default '{}',
    source   text,
    detail   jsonb not null default '{}'
);

create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'audit is append-only' using errcode = 'insufficient_privilege';
end $$;

-- `enable always`: it holds for replicated changes too
create trigger audit_is_append_only before update or delete or truncate on audit
    for each statement execute function audit_is_append_only();
alter table audit enable always trigger audit_is_append_only;
