//! Consumes, processes, records, then acks.
