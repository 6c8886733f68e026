//! `waybill user`. A password is never an argument: others on the machine can read those.

use clap::Subcommand;
use waybill_console::Role;

use super::Output;

/// Commands on the console's users.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user; the password is asked for, or read from standard input.
    Add {
        /// The name to log in with: small letters, digits, and . _ @ -
        name: String,
        /// viewer: reads; operator: decides, and sees bodies for a reason; admin: sees who has access.
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Every user.
    List {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Give a user another password, asked for or read from standard input; their sessions end.
    Password {
        /// The user.
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Give a user another role; their sessions end.
    Role {
        /// The user.
        name: String,
        /// viewer, operator or admin.
        role: Role,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Let a user in no more; their sessions end. Users are kept, for the audit trail names them.
    Disable {
        /// The user.
        name: String,
        /// Let them in again instead.
        #[arg(long)]
        undo: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// The open sessions.
    Sessions {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// End every session of a user.
    Logout {
        /// The user.
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}
