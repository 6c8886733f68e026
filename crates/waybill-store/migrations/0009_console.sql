-- Who may use the console, who is logged in, and who tried. A user is never deleted, only disabled:
-- the audit trail names them.

create table console_user (
    name       text primary key check (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
    -- argon2id, as a PHC string
    password   text not null check (password like '$argon2id$%'),
    role       text not null check (role in ('viewer', 'operator', 'admin')),
    disabled   boolean not null default false,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);

-- Stored is the SHA-256 of a session's token: who reads this table cannot use it.
create table console_session (
    token      bytea primary key check (octet_length(token) = 32),
    name       text not null references console_user (name),
    address    text not null,
    created_at timestamptz not null default now(),
    seen_at    timestamptz not null default now(),
    expires_at timestamptz not null,
    check (expires_at > created_at)
);
create index console_session_name on console_session (name);
create index console_session_expires on console_session (expires_at);

-- Logins that were tried, for throttling; forgotten after 30 days. The name is what was typed, cut,
-- and kept as a hash: people type passwords into the wrong field.
create table console_login (
    at      timestamptz not null default now(),
    name    bytea not null check (octet_length(name) = 32),
    address text not null,
    success boolean not null
);
create index console_login_name on console_login (name, at);
create index console_login_address on console_login (address, at);
create index console_login_at on console_login (at);
