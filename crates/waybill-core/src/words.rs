//! Sentences that count.

/// The words for one, or for any other number: `1 dead letter waits`, `0 dead letters wait`.
///
/// ```
/// use waybill_core::words::either;
/// assert_eq!(format!("1 {}", either(1, "queue", "queues")), "1 queue");
/// assert_eq!(format!("0 {}", either(0, "queue", "queues")), "0 queues");
/// ```
#[must_use]
pub const fn either<'a>(count: i64, one: &'a str, others: &'a str) -> &'a str {
    if count == 1 { one } else { others }
}
