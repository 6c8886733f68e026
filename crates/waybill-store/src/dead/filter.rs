//! Which dead letters: the one filter of pages, groups and plans, in words and as SQL.
//!
//! Source, kind, class and reason are the group's, so they are looked up in a small table and never
//! in a million rows. A key stands here as its hash; what an operator typed is never kept.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use waybill_core::fingerprint::{Fingerprint, pattern};
use waybill_core::ordering::Key;
use waybill_core::outcome::ErrorClass;

/// Which dead letters. Each part narrows; without any it is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Of this source.
    pub source: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// With a failure of this class.
    pub class: Option<ErrorClass>,
    /// Of this group.
    pub fingerprint: Option<Fingerprint>,
    /// Whose reason has this in it; cases, ids, numbers and times make no difference.
    pub text: Option<String>,
    /// Dead since this moment or later.
    pub since: Option<DateTime<Utc>>,
    /// Dead before this moment.
    pub until: Option<DateTime<Utc>>,
    /// With this ordering key.
    pub key: Option<Key>,
}

impl Filter {
    /// All of one group.
    pub fn group(fingerprint: Fingerprint) -> Self {
        Self { fingerprint: Some(fingerprint), ..Self::default() }
    }

    /// All of one source.
    pub fn source(name: impl Into<String>) -> Self {
        Self { source: Some(name.into()), ..Self::default() }
    }

    /// In words that may be written down: not its ordering key.
    pub fn words(&self) -> String {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let parts = [
            ("group", self.fingerprint.map(|group| group.to_string())),
            ("source", self.source.clone()),
            ("kind", self.kind.clone()),
            ("reason", self.class.map(|class| class.as_str().to_owned())),
            ("text", self.text.clone()),
            ("since", self.since.map(time)),
            ("until", self.until.map(time)),
            ("one ordering key", self.key.map(|_| "(not kept)".to_owned())),
        ];
        let said: Vec<_> =
            parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
        if said.is_empty() { "all dead letters".to_owned() } else { said.join(", ") }
    }

    /// Binds `$1` to `$8` of a statement made by [`matching`] or [`wanted`].
    pub(crate) fn bind<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        query
            .bind(self.source.as_deref())
            .bind(self.kind.as_deref())
            .bind(self.class.map(ErrorClass::as_str))
            .bind(self.fingerprint.map(Fingerprint::as_i64))
            .bind(self.text.as_deref().map(pattern))
            .bind(self.since)
            .bind(self.until)
            .bind(self.key.map(Key::as_i64))
    }
}

/// Whether group `g` is wanted: `$1` to `$5`.
macro_rules! wanted {
    () => {
        "($1::text is null or g.source = $1) and ($2::text is null or g.kind = $2)
         and ($3::text is null or g.error_class = $3) and ($4::bigint is null or g.fingerprint = $4)
         and ($5::text is null or strpos(lower(g.pattern), lower($5)) > 0)"
    };
}

/// Whether entry `e` died at the right time: `$6` and `$7`.
macro_rules! in_time {
    () => {
        "e.dead_at >= coalesce($6::timestamptz, '-infinity')
         and e.dead_at < coalesce($7::timestamptz, 'infinity')"
    };
}

/// Columns of every dead letter `e`, with its group `g`, that a [`Filter`] wants (`$1` to `$8`), then
/// more of the statement. `any_key` for filters without a key, `of_key` for those with one: the way to
/// the rows is another.
macro_rules! matching {
    (any_key, $columns:literal, $more:literal) => {
        $crate::dead::filter::matching!(@ $columns, "$8::bigint is null", $more)
    };
    (of_key, $columns:literal, $more:literal) => {
        $crate::dead::filter::matching!(@ $columns,
            "e.id in (select id from ordering where key = $8::bigint
                      union select id from skipped where key = $8)", $more)
    };
    (@ $columns:literal, $of_key:literal, $more:literal) => {
        concat!("select ", $columns,
            " from dead_list e join dead_group g on g.fingerprint = e.fingerprint where ",
            $crate::dead::filter::wanted!(), " and ", $crate::dead::filter::in_time!(), " and ",
            $of_key, " ", $more)
    };
}

pub(crate) use {in_time, matching, wanted};
