//! What changes a host: shell text that names no content, and the contents that follow it on the stream.
use crate::kind::Difference;
use crate::kind::path::digest;
use crate::prelude::*;
use crate::secret::{Secret, Secrets};
use crate::ticket::Ticket;
use crate::words::{Account, Mode, Path};
use incline_model::quote::shell;

/// A content that follows the program on the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, which nobody may see.
    Secret(Secret),
    /// A file on the machine that runs incline, of this length in bytes.
    File {
        /// The file.
        path: String,
        /// Its length in bytes.
        bytes: u64,
    },
}

/// The program of a change, as it grows.
#[derive(Debug)]
pub(crate) struct Act<'a> {
    pub(crate) text: String,
    pub(crate) payloads: Vec<Payload>,
    /// The folders that files were written into.
    pub(crate) folders: BTreeSet<String>,
    pub(crate) secrets: &'a Secrets,
    /// What lets the host into its cluster, where it joins one.
    pub(crate) ticket: Option<&'a Ticket>,
    /// Lengths in bytes of files on the machine that runs incline.
    pub(crate) local: &'a BTreeMap<String, u64>,
}

impl<'a> Act<'a> {
    /// A program that does nothing yet.
    pub(crate) fn new(secrets: &'a Secrets, local: &'a BTreeMap<String, u64>) -> Self {
        Self { text: String::new(), payloads: Vec::new(), folders: BTreeSet::new(), secrets, ticket: None, local }
    }
}

impl Act<'_> {
    /// A line of shell text: a function of the library or a builtin, and its words.
    pub(crate) fn call(&mut self, function: &'static str, words: &[&str]) {
        self.text.push_str(function);
        for word in words {
            self.text.push(' ');
            self.text.push_str(&shell(word));
        }
        self.text.push('\n');
    }

    /// Functions beyond those that every change knows: sent once, where they are needed.
    pub(crate) fn library(&mut self, text: &'static str) {
        let text = crate::program::bare(text);
        if !self.text.contains(&text) {
            self.text.push_str(&text);
        }
    }

    /// Runs a command; the stage ends if it fails.
    pub(crate) fn run(&mut self, words: &[&str]) {
        self.call("run", words);
    }

    /// Shell text that is the same for everyone. What differs is put into its `$1`, `$2`, … .
    pub(crate) fn script(&mut self, text: &'static str, words: &[&str]) {
        self.call("set --", words);
        self.text.push_str(text.trim());
        self.text.push('\n');
    }

    /// Writes a file.
    pub(crate) fn put(&mut self, path: &Path, mode: Mode, owner: &Account, group: &Account, content: &[u8]) {
        self.send(path, mode, owner, group, &digest(content), Payload::Bytes(content.to_vec()));
    }

    /// Writes a file that nobody may see.
    pub(crate) fn put_private(&mut self, path: &Path, mode: Mode, owner: &Account, group: &Account, secret: Secret) {
        self.send(path, mode, owner, group, &digest(secret.expose()), Payload::Secret(secret));
    }

    fn send(&mut self, path: &Path, mode: Mode, owner: &Account, group: &Account, digest: &str, payload: Payload) {
        let bytes = length(&payload).to_string();
        let mode = mode.to_string();
        self.folders.insert(path.folder().to_owned());
        self.call("put", &[path.as_str(), &mode, owner.as_str(), group.as_str(), &bytes, digest]);
        self.payloads.push(payload);
    }

    /// Brings owner and mode back, where they differ.
    pub(crate) fn ownership(
        &mut self,
        path: &Path,
        mode: Mode,
        owner: &Account,
        group: &Account,
        difference: &Difference,
    ) {
        if difference.has("owner") || difference.has("group") {
            self.run(&["chown", "--", &format!("{owner}:{group}"), path.as_str()]);
        }
        // chown takes set-user-id bits away: the mode is set after it.
        if difference.has("owner") || difference.has("group") || difference.has("mode") {
            self.run(&["chmod", "--", &mode.to_string(), path.as_str()]);
        }
    }
}

/// A payload's length in bytes.
fn length(payload: &Payload) -> u64 {
    match payload {
        Payload::Bytes(bytes) => bytes.len() as u64,
        Payload::Secret(secret) => secret.expose().len() as u64,
        Payload::File { bytes, .. } => *bytes,
    }
}
