//! The ledger: schema, migrations, every SQL statement, every transition.
