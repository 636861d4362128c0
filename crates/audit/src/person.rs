//! Who is at this machine, as the kernel knows it.
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who gave a command, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Who logged in: the name of the kernel's audit user (proc_pid_loginuid(5)), which `sudo` does not change; where
    /// nobody logged in, of the process's user.
    pub user: String,
    /// The process's user, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acting_as: Option<String>,
    /// The machine's name.
    pub machine: String,
    /// The process.
    pub process: u32,
    /// The address that they are logged in from, as sshd told the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The version of incline.
    pub incline: String,
}

/// What the kernel says where nobody logged in.
const NOBODY: u32 = u32::MAX;

impl Person {
    /// Whoever runs this process.
    pub fn here() -> Self {
        let acting = uzers::get_effective_uid();
        let login = std::fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
        let user = login.filter(|uid| *uid != NOBODY).unwrap_or_else(uzers::get_current_uid);
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let from = ["SSH_CONNECTION", "SSH_CLIENT"].iter().find_map(|name| std::env::var(name).ok());
        Self {
            user: name(user),
            acting_as: (acting != user).then(|| name(acting)),
            machine: machine.trim().to_owned(),
            process: std::process::id(),
            from: from.and_then(|connection| connection.split_whitespace().next().map(ToOwned::to_owned)),
            incline: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// `anna@ops-1 (4711)`.
impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} ({})", self.user, self.machine, self.process)
    }
}

fn name(uid: u32) -> String {
    let known = uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned());
    known.unwrap_or_else(|| uid.to_string())
}
