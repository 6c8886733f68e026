//! Who may do what. A role contains the ones below it.

use std::str::FromStr;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads every page; sees bodies masked alone.
    Viewer,
    /// Decides on dead letters, and sees a body in clear for a stated reason.
    Operator,
    /// Sees who has access, and ends sessions.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its name, in the ledger and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| "a role is viewer, operator or admin".to_owned())
    }
}

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the login itself, style and script.
    Nobody,
    /// At least this role.
    Role(Role),
}

impl Need {
    /// Whether a visitor with this role, or none, may pass.
    pub fn allows(self, role: Option<Role>) -> bool {
        match self {
            Self::Nobody => true,
            Self::Role(least) => role.is_some_and(|role| role >= least),
        }
    }
}
