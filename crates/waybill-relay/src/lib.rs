//! The one function that publishes: due rows out of the ledger into the broker.
