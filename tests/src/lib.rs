//! The harness lives in `it/`; this library is empty on purpose.
