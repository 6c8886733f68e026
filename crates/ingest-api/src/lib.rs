//! Accepts over HTTP, stores, answers; runs a relay.
