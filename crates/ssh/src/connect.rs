//! Connections: each host's is made once, and those to jump hosts are shared by all that lie behind them.
use crate::error::Error;
use crate::keys::{Identity, Keys, agent};
use crate::route::{Hop, Route};
use crate::trust::{Judge, Trust, Verdict};
use russh::client::{AuthResult, Config, Handle, connect_stream};
use russh::keys::agent::AgentIdentity;
use russh::keys::key::PrivateKeyWithHashAlg;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;

/// A connection that a user is logged in on.
pub(crate) type Connection = Arc<Handle<Judge>>;

/// How long a TCP connection may take, a jump host's included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long key exchange and login may take: a busy host's login stack asks directories.
const LOGIN: Duration = Duration::from_secs(45);
/// How often a connection is tried that a moment later may succeed. sshd's MaxStartups drops connections by chance.
const TRIES: u32 = 6;

/// Connections that are open.
pub struct Connections {
    config: Arc<Config>,
    keys: Keys,
    jumps: Mutex<BTreeMap<Vec<Hop>, Arc<OnceCell<Connection>>>>,
    /// The fingerprints (SHA-256) of the keys that hosts let somebody in by.
    let_in: Mutex<BTreeMap<String, String>>,
}

impl Connections {
    /// None yet.
    pub fn new(keys: Keys) -> Self {
        // Certificates of hosts are not asked for: what is pinned is a key.
        let config = Config {
            // A host that is gone is noticed after 15 × 3 seconds, whatever TCP believes.
            keepalive_interval: Some(Duration::from_secs(15)),
            keepalive_max: 3,
            // 256 KiB in flight to a host each way fill any link that a data centre has; russh's 2 MiB would cost a hundred
            // hosts hundreds of megabytes.
            window_size: 256 << 10,
            nodelay: true,
            ..Config::default()
        };
        Self { config: Arc::new(config), keys, jumps: Mutex::default(), let_in: Mutex::default() }
    }

    /// A connection to a host.
    ///
    /// # Errors
    /// It cannot be reached, is not who it must be, or does not let the user in.
    pub(crate) async fn open(&self, route: &Route) -> Result<Connection, Error> {
        let mut pause = Duration::from_millis(100);
        let mut tried = 1;
        loop {
            match self.once(route).await {
                Err(error) if error.is_transient() && tried < TRIES => {
                    tracing::debug!(%error, tried, "trying again");
                    // Not all at once again: hosts differ in their address.
                    let spread: u32 = route.host.address.bytes().map(u32::from).sum::<u32>() % 100;
                    tokio::time::sleep(pause + pause * spread / 100).await;
                    pause *= 2;
                    tried += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn once(&self, route: &Route) -> Result<Connection, Error> {
        match route.jump.split_last() {
            None => self.direct(&route.host).await,
            Some(_) => {
                let last = self.jump(&route.jump).await?;
                self.through(&last, &route.host).await
            }
        }
    }

    /// The shared connection to the last of some jump hosts.
    async fn jump(&self, hops: &[Hop]) -> Result<Connection, Error> {
        let cell = {
            let mut jumps = self.jumps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // One that broke is made anew.
            if jumps.get(hops).and_then(|cell| cell.get()).is_some_and(|connection| connection.is_closed()) {
                jumps.remove(hops);
            }
            jumps.entry(hops.to_vec()).or_default().clone()
        };
        let open = async {
            match hops {
                [] => Err(Error::NoKey("no jump host".to_owned())),
                [first] => self.direct(first).await,
                [before @ .., last] => {
                    let previous = Box::pin(self.jump(before)).await?;
                    self.through(&previous, last).await
                }
            }
        };
        cell.get_or_try_init(|| open).await.cloned()
    }

    async fn direct(&self, hop: &Hop) -> Result<Connection, Error> {
        let connect = tokio::net::TcpStream::connect((hop.address.as_str(), hop.port));
        let stream = match tokio::time::timeout(CONNECT, connect).await {
            Err(_) => return Err(unreachable(hop, format!("no answer within {} seconds", CONNECT.as_secs()), false)),
            Ok(Err(error)) => {
                use std::io::ErrorKind::{ConnectionRefused, ConnectionReset};
                let transient = matches!(error.kind(), ConnectionReset | ConnectionRefused);
                return Err(unreachable(hop, words(&error), transient));
            }
            Ok(Ok(stream)) => stream,
        };
        let _ = stream.set_nodelay(true);
        self.login(hop, stream).await
    }

    async fn through(&self, jump: &Connection, hop: &Hop) -> Result<Connection, Error> {
        let opened = jump.channel_open_direct_tcpip(hop.address.clone(), u32::from(hop.port), "127.0.0.1", 0);
        let channel = match tokio::time::timeout(CONNECT, opened).await {
            Err(_) => return Err(unreachable(hop, "no answer through the jump host".to_owned(), false)),
            Ok(Err(error)) => {
                return Err(unreachable(
                    hop,
                    format!("the jump host says: {error}"),
                    !matches!(error, russh::Error::ChannelOpenFailure(_)),
                ));
            }
            Ok(Ok(channel)) => channel,
        };
        self.login(hop, channel.into_stream()).await
    }

    async fn login(
        &self,
        hop: &Hop,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Connection, Error> {
        let verdict = Verdict::default();
        let judge = Judge {
            hop: hop.name(),
            address: hop.address.clone(),
            port: hop.port,
            trust: hop.trust.clone(),
            verdict: verdict.clone(),
        };
        let work = async {
            let connected = connect_stream(self.config.clone(), stream, judge).await;
            let mut handle = match connected {
                Ok(handle) => handle,
                Err(error) => {
                    let refused = verdict.lock().ok().and_then(|mut verdict| verdict.take());
                    // An end before any key was shown is how sshd sheds load.
                    return Err(refused.unwrap_or_else(|| {
                        let transient =
                            matches!(error, russh::Error::Disconnect | russh::Error::HUP | russh::Error::IO(_));
                        unreachable(hop, format!("no SSH: {error}"), transient)
                    }));
                }
            };
            let key = self.authenticate(hop, &mut handle).await?;
            if let Ok(mut let_in) = self.let_in.lock() {
                let_in.insert(hop.name(), key);
            }
            Ok(Arc::new(handle))
        };
        match tokio::time::timeout(LOGIN, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(unreachable(hop, format!("no login within {} seconds", LOGIN.as_secs()), false)),
        }
    }

    /// Logs in, and gives the fingerprint of the key that did it.
    async fn authenticate(&self, hop: &Hop, handle: &mut Handle<Judge>) -> Result<String, Error> {
        let mut tried = Vec::new();
        let fingerprint = |key: &PublicKey| key.fingerprint(HashAlg::Sha256).to_string();
        let lost = |error: russh::Error| unreachable(hop, format!("the connection broke at login: {error}"), true);
        match &hop.key {
            Some(path) => {
                let Identity { key, certificate } = self.keys.load(path).await?;
                let print = fingerprint(key.public_key());
                if let Some(certificate) = certificate {
                    tried.push(format!("the certificate of {}", path.display()));
                    if is_in(
                        &handle.authenticate_openssh_cert(&hop.user, key.clone(), certificate).await.map_err(lost)?,
                    ) {
                        return Ok(print);
                    }
                }
                let hash = rsa_hash(handle, &key.algorithm()).await.map_err(lost)?;
                tried.push(format!("the key {}", path.display()));
                let key = PrivateKeyWithHashAlg::new(key, hash);
                if is_in(&handle.authenticate_publickey(&hop.user, key).await.map_err(lost)?) {
                    return Ok(print);
                }
            }
            None => {
                let mut agent = agent().await?;
                let broken = |why: String| Error::NoKey(format!("the agent does not answer: {why}"));
                for identity in agent.request_identities().await.map_err(|error| broken(error.to_string()))? {
                    let print = match &identity {
                        AgentIdentity::PublicKey { key, .. } => fingerprint(key),
                        AgentIdentity::Certificate { certificate, .. } => {
                            certificate.public_key().fingerprint(HashAlg::Sha256).to_string()
                        }
                    };
                    let outcome = match identity {
                        AgentIdentity::PublicKey { key, comment } => {
                            let hash = rsa_hash(handle, &key.algorithm()).await.map_err(lost)?;
                            tried.push(format!("the agent's key {comment}"));
                            handle.authenticate_publickey_with(&hop.user, key, hash, &mut agent).await
                        }
                        AgentIdentity::Certificate { certificate, comment } => {
                            tried.push(format!("the agent's certificate {comment}"));
                            handle.authenticate_certificate_with(&hop.user, certificate, None, &mut agent).await
                        }
                    };
                    if outcome.as_ref().is_ok_and(is_in) {
                        return Ok(print);
                    }
                }
                if tried.is_empty() {
                    return Err(Error::NoKey("the agent holds none".to_owned()));
                }
            }
        }
        Err(Error::NotLetIn { hop: hop.name(), user: hop.user.clone(), tried })
    }

    /// The fingerprint of the key by which a host let somebody in.
    pub(crate) fn key_of(&self, hop: &Hop) -> Option<String> {
        self.let_in.lock().ok()?.get(&hop.name()).cloned()
    }

    /// The fingerprint of the key that a host shows; nothing is believed, and nobody logs in.
    ///
    /// # Errors
    /// It shows none.
    pub async fn fingerprint(&self, route: &Route) -> Result<String, Error> {
        let mut route = route.clone();
        route.host.trust = Trust::Nobody;
        match self.open(&route).await {
            Err(Error::UnknownKey { fingerprint, hop }) if hop == route.host.name() => Ok(fingerprint),
            Err(error) => Err(error),
            Ok(_) => Err(Error::Garbled { hop: route.host.name(), why: "it showed no key".to_owned() }),
        }
    }
}

fn is_in(outcome: &AuthResult) -> bool {
    matches!(outcome, AuthResult::Success)
}

/// RSA signatures with SHA-1 are never made (RFC 8332).
async fn rsa_hash(handle: &Handle<Judge>, algorithm: &Algorithm) -> Result<Option<HashAlg>, russh::Error> {
    if !matches!(algorithm, Algorithm::Rsa { .. }) {
        return Ok(None);
    }
    Ok(handle.best_supported_rsa_hash().await?.flatten().or(Some(HashAlg::Sha512)))
}

fn unreachable(hop: &Hop, why: String, transient: bool) -> Error {
    Error::Unreachable { hop: hop.name(), why, transient }
}

/// An operating system's error without its number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
