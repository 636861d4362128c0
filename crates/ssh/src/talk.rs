//! One program on one host: it is sent, what the host says is heard, and what follows is sent on the same stream.
use crate::connect::Connection;
use crate::error::Error;
use crate::route::{Root, Route};
use incline_host::{Asks, Change, Conversation, Heard, Payload, SHELL, Secrets, bootstrap};
use incline_model::quote::shell;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

/// How long a host that only looks may say nothing: each of its tools is given 30 seconds.
const SILENCE: Duration = Duration::from_secs(120);
/// How long a host that changes may say nothing. A package manager, or an image that is pulled, takes its time; a
/// connection that is dead is noticed by keepalives long before.
const LONG_SILENCE: Duration = Duration::from_secs(1800);
/// How often whoever waits looks whether the connection is there still.
const LOOK_UP: Duration = Duration::from_secs(2);
/// How long a host may take to open a channel: a busy one forks slowly.
const OPENING: Duration = Duration::from_secs(60);
/// How much of what is said outside of frames is kept for an error's text, in bytes.
const SAID: usize = 4096;
/// How large the pieces are in which files are sent, in bytes.
const PIECE: usize = 64 << 10;
/// sudo's prompt, which no other program writes.
const PROMPT: &str = "@@incline-password@@";
/// What tells that the password has been taken, or was not asked for.
const READY: &str = "@@incline-ready@@";

/// A program that runs on a host.
pub(crate) struct Talk {
    hop: String,
    reading: ChannelReadHalf,
    writing: ChannelWriteHalf<Msg>,
    conversation: Conversation,
    said: Vec<u8>,
    silence: Duration,
    /// The connection that it goes over.
    connection: Connection,
}

impl Talk {
    /// Starts a program; `more` says that something follows it. It is one exec on the connection.
    pub(crate) async fn start(
        connection: &Connection,
        route: &Route,
        secrets: &Secrets,
        program: &str,
        more: bool,
        conversation: Conversation,
    ) -> Result<Self, Error> {
        let hop = route.host.name();
        let lost = |error: russh::Error| Error::Cut { hop: hop.clone(), said: error.to_string() };
        let opening = answer(&hop, connection, OPENING, connection.channel_open_session());
        let channel = opening.await?.map_err(lost)?;
        let bootstrap = if more { bootstrap(program.len()) } else { SHELL.to_owned() };
        let command = match &route.root {
            Root::Already => format!("exec {bootstrap}"),
            Root::Sudo => format!("exec sudo -n {bootstrap}"),
            // -k: whether the password is asked for does not depend on who was here before.
            Root::Password(_) => {
                let then = shell(&format!("echo {READY}; exec {bootstrap}"));
                format!("exec sudo -k -S -p {PROMPT} /bin/sh -c {then}")
            }
        };
        answer(&hop, connection, OPENING, channel.exec(false, command)).await?.map_err(lost)?;
        let (reading, writing) = channel.split();
        let mut talk = Self {
            hop: hop.clone(),
            reading,
            writing,
            conversation,
            said: Vec::new(),
            silence: SILENCE,
            connection: connection.clone(),
        };
        if let Root::Password(source) = &route.root {
            let password = secrets
                .get(source)
                .ok_or_else(|| Error::NoRoot { hop: hop.clone(), said: "sudo's password is not known".to_owned() })?;
            talk.sudo(password.expose()).await?;
        }
        talk.write(program.as_bytes().to_vec()).await?;
        if !more {
            talk.writing.eof().await.map_err(lost)?;
        }
        Ok(talk)
    }

    /// Gives sudo the password when it asks for it.
    async fn sudo(&mut self, password: &[u8]) -> Result<(), Error> {
        let (mut asked, mut heard) = (0, Vec::new());
        loop {
            match answer(&self.hop, &self.connection, self.silence, self.reading.wait()).await? {
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    keep(&mut self.said, &data);
                    let prompts = String::from_utf8_lossy(&self.said).matches(PROMPT).count();
                    if prompts > asked {
                        asked = prompts;
                        if asked > 1 {
                            return Err(Error::NoRoot {
                                hop: self.hop.clone(),
                                said: "sudo does not take the password".to_owned(),
                            });
                        }
                        let mut line = Zeroizing::new(password.to_vec());
                        line.push(b'\n');
                        self.write(line.to_vec()).await?;
                    }
                }
                Some(ChannelMsg::Data { data }) => {
                    heard.extend_from_slice(&data);
                    let ready = READY.as_bytes();
                    if heard.windows(ready.len()).any(|window| window == ready) {
                        self.said.clear();
                        return Ok(());
                    }
                }
                Some(ChannelMsg::Close) | None => return Err(self.cut()),
                Some(_) => {}
            }
        }
    }

    async fn write(&self, bytes: Vec<u8>) -> Result<(), Error> {
        answer(&self.hop, &self.connection, self.silence, self.writing.data_bytes(bytes))
            .await?
            .map_err(|error| Error::Cut { hop: self.hop.clone(), said: error.to_string() })
    }

    /// What is heard next.
    pub(crate) async fn hear(&mut self) -> Result<Heard, Error> {
        let Self { hop, reading, conversation, said, silence, connection, .. } = self;
        hear(hop, connection, reading, conversation, said, *silence).await
    }

    /// Sends a change, and hears what becomes of it. Between two things that are heard, whatever waits is sent.
    pub(crate) async fn change(&mut self, change: Change, mut told: impl FnMut(&Heard)) -> Result<Heard, Error> {
        self.silence = LONG_SILENCE;
        let Self { hop, reading, writing, conversation, said, silence, connection } = self;
        let hop = hop.as_str();
        let lost = |error: russh::Error| Error::Cut { hop: hop.to_owned(), said: error.to_string() };
        let send = async {
            let opening = format!("{}\n{}", change.program.len(), change.program);
            writing.data_bytes(opening.into_bytes()).await.map_err(lost)?;
            for payload in &change.payloads {
                match payload {
                    Payload::Bytes(bytes) => writing.data_bytes(bytes.clone()).await.map_err(lost)?,
                    Payload::Secret(secret) => writing.data_bytes(secret.expose().to_vec()).await.map_err(lost)?,
                    Payload::File { path, bytes } => {
                        let unread = |why: String| Error::Local { path: path.clone(), why };
                        let file = tokio::fs::File::open(path).await.map_err(|error| unread(error.to_string()))?;
                        let (mut file, mut left) = (file.take(*bytes), *bytes);
                        let mut piece = vec![0; PIECE];
                        while left > 0 {
                            let read = file.read(&mut piece).await.map_err(|error| unread(error.to_string()))?;
                            if read == 0 {
                                return Err(unread("it has become shorter".to_owned()));
                            }
                            left = left.saturating_sub(read as u64);
                            writing.data_bytes(piece.get(..read).unwrap_or_default().to_vec()).await.map_err(lost)?;
                        }
                    }
                }
            }
            Ok(())
        };
        let listen = async {
            let mut last = None;
            loop {
                match hear(hop, connection, reading, conversation, said, *silence).await? {
                    Heard::End => break,
                    heard => {
                        told(&heard);
                        if matches!(heard, Heard::Failed(..)) {
                            return Ok(heard);
                        }
                        last = Some(heard);
                    }
                }
            }
            last.ok_or_else(|| Error::Garbled {
                hop: hop.to_owned(),
                why: "the host said nothing of what it did".to_owned(),
            })
        };
        tokio::pin!(send, listen);
        // A host that has failed reads no further: then what it said counts, not what could not be sent.
        let mut sending = true;
        loop {
            tokio::select! {
                outcome = &mut listen => return outcome,
                outcome = &mut send, if sending => {
                    sending = false;
                    if let Err(error @ Error::Local { .. }) = outcome {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn cut(&self) -> Error {
        ended(&self.hop, &self.said)
    }
}

/// What a connection answers. When one ends, russh tells neither whoever waits for a channel to open nor whoever waits until
/// the host takes more: this looks for itself whether it is there still.
async fn answer<T>(
    hop: &str,
    connection: &Connection,
    silence: Duration,
    answers: impl Future<Output = T>,
) -> Result<T, Error> {
    tokio::pin!(answers);
    let mut waited = Duration::ZERO;
    while waited < silence {
        if let Ok(answer) = tokio::time::timeout(LOOK_UP, &mut answers).await {
            return Ok(answer);
        }
        if connection.is_closed() {
            return Err(Error::Cut { hop: hop.to_owned(), said: String::new() });
        }
        waited += LOOK_UP;
    }
    Err(Error::Silent { hop: hop.to_owned(), seconds: silence.as_secs() })
}

async fn hear(
    hop: &str,
    connection: &Connection,
    reading: &mut ChannelReadHalf,
    conversation: &mut Conversation,
    said: &mut Vec<u8>,
    silence: Duration,
) -> Result<Heard, Error> {
    loop {
        if let Some(heard) =
            conversation.hear().map_err(|garbled| Error::Garbled { hop: hop.to_owned(), why: garbled.0 })?
        {
            return Ok(heard);
        }
        match answer(hop, connection, silence, reading.wait()).await? {
            Some(ChannelMsg::Data { data }) => conversation.feed(&data),
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                keep(said, &data);
            }
            Some(ChannelMsg::Close) | None => return Err(ended(hop, said)),
            Some(_) => {}
        }
    }
}

/// Keeps the end of what is said outside of frames.
fn keep(said: &mut Vec<u8>, data: &[u8]) {
    said.extend_from_slice(data);
    let excess = said.len().saturating_sub(SAID);
    said.drain(..excess);
}

/// Why a program ended before its end.
fn ended(hop: &str, said: &[u8]) -> Error {
    let text = String::from_utf8_lossy(said).replace(PROMPT, "");
    // That a host cannot resolve its own name is only why sudo was slow.
    let lines: Vec<&str> =
        text.trim().lines().map(str::trim).filter(|line| !line.contains("unable to resolve host")).collect();
    let hop = hop.to_owned();
    let refuses =
        |line: &&&str| ["sudo:", "sudoers", "not allowed to execute"].iter().any(|words| line.contains(words));
    if let Some(line) = lines.iter().find(refuses) {
        return Error::NoRoot { hop, said: (*line).to_owned() };
    }
    Error::Cut { hop, said: lines.last().copied().unwrap_or_default().to_owned() }
}

/// Looks at a host: one exec, which ends by itself.
pub(crate) async fn look(
    connection: &Connection,
    route: &Route,
    secrets: &Secrets,
    nonce: &str,
    program: &str,
    asks: Asks,
) -> Result<Heard, Error> {
    let mut talk = Talk::start(connection, route, secrets, program, false, Conversation::new(nonce, asks)).await?;
    let asked = talk.hear().await?;
    if matches!(asked, Heard::Asked(_)) {
        // Without the end mark, something may be missing.
        match talk.hear().await? {
            Heard::End => {}
            _ => return Err(talk.cut()),
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_cut_off_is_not_refused() {
        let said = |text: &str| ended("host", text.as_bytes()).to_string();
        let slow = "sudo: unable to resolve host host-1: Temporary failure in name resolution\n";
        assert_eq!(said(slow), "host went away in the middle");
        assert_eq!(said(&format!("{slow}Killed\n")), "host went away in the middle: Killed");
        let refused = "sudo: a password is required";
        assert_eq!(said(&format!("{slow}{refused}\n")), format!("host does not give root's rights: {refused}"));
        assert!(said("Sorry, user ops is not allowed to execute '/bin/sh' as root").contains("root's rights"));
    }
}
