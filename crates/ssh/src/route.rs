//! The way to a host: over which others, as whom, and who vouches for each one's key. The inventory says it; what it leaves
//! open, `~/.ssh/config` may say.
use crate::trust::Trust;
use incline_model::inventory::SecretSource;
use incline_model::inventory::onprem::{Become, Host, HostAddress, OnPremSite};
use incline_model::scalar::LocalPath;
use ssh2_config::{HostParams, ParseRule, SshConfig};
use std::env::home_dir;
use std::io::BufReader;
use std::path::PathBuf;

/// One stop on the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// An address or a name.
    pub address: String,
    /// The port.
    pub port: u16,
    /// As whom.
    pub user: String,
    /// The private key's file; without one, the agent's keys.
    pub key: Option<PathBuf>,
    /// Who vouches for its key.
    pub trust: Trust,
}

impl Hop {
    /// The hop's name in messages.
    pub fn name(&self) -> String {
        if self.port == 22 { self.address.clone() } else { format!("{}:{}", self.address, self.port) }
    }
}

/// How root's rights are got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// `sudo` without a password.
    Sudo,
    /// `sudo` with this secret as its password.
    Password(SecretSource),
    /// The user is root.
    Already,
}

/// The way to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Hosts to go through, the first first.
    pub jump: Vec<Hop>,
    /// The host.
    pub host: Hop,
    /// How root's rights are got there.
    pub root: Root,
}

/// `~/.ssh/config`, where there is one.
#[derive(Default)]
pub struct Config(Option<SshConfig>);

/// A path as the inventory has it, with `~/` resolved.
pub fn local(path: &LocalPath) -> PathBuf {
    match (path.as_str().strip_prefix("~/"), home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path.as_str()),
    }
}

impl Config {
    /// Reads `~/.ssh/config`; what it says that concerns no connection of ours is passed over.
    ///
    /// # Errors
    /// It cannot be understood.
    pub fn read() -> Result<Self, String> {
        let Some(path) = home_dir().map(|home| home.join(".ssh/config")).filter(|path| path.exists()) else {
            return Ok(Self(None));
        };
        let broken = |why: String| format!("{} cannot be read: {why}", path.display());
        let file = std::fs::File::open(&path).map_err(|error| broken(error.to_string()))?;
        let rules = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
        let config =
            SshConfig::default().parse(&mut BufReader::new(file), rules).map_err(|error| broken(error.to_string()))?;
        Ok(Self(Some(config)))
    }

    fn of(&self, name: &str) -> Option<HostParams> {
        self.0.as_ref().map(|config| config.query(name))
    }

    /// The way to a host of a site.
    pub fn route(&self, site: &OnPremSite, host: &Host) -> Route {
        let ssh = &site.ssh;
        let address = host.address.to_string();
        let params = self.of(host.name.as_str()).map(|mut params| {
            if let Some(by_address) = self.of(&address) {
                params.overwrite_if_none(&by_address);
            }
            params
        });
        let says = |field: fn(&HostParams) -> Option<String>| params.as_ref().and_then(field);
        let key = ssh.key.as_ref().map(local);
        let known: Vec<PathBuf> = match &ssh.known_hosts {
            Some(file) => vec![local(file)],
            None => home_dir().map(|home| home.join(".ssh/known_hosts")).into_iter().collect(),
        };
        let end = Hop {
            address: says(|params| params.host_name.clone()).unwrap_or(address),
            // 22 is what stands for nothing said.
            port: if ssh.port == 22 { params.as_ref().and_then(|params| params.port).unwrap_or(22) } else { ssh.port },
            user: ssh.user.to_string(),
            key: key.clone().or_else(|| params.as_ref().and_then(identity)),
            trust: match (&host.host_key, &ssh.known_hosts) {
                (Some(pin), _) => Trust::Pinned(pin.to_string()),
                (None, Some(file)) => Trust::Known(vec![local(file)]),
                (None, None) => Trust::Nobody,
            },
        };
        let mut jump: Vec<Hop> = ssh
            .jump
            .iter()
            .map(|hop| Hop {
                address: match &hop.address {
                    HostAddress::Ip(address) => address.to_string(),
                    HostAddress::Dns(name) => name.to_string(),
                },
                port: hop.port,
                user: hop.user.as_ref().unwrap_or(&ssh.user).to_string(),
                key: key.clone(),
                trust: Trust::Pinned(hop.host_key.to_string()),
            })
            .collect();
        if jump.is_empty() {
            let named = params.as_ref().and_then(|params| params.proxy_jump.clone()).unwrap_or_default();
            jump = named
                .iter()
                .filter(|name| *name != "none")
                .map(|name| self.jump(name, site, key.as_ref(), &known))
                .collect();
        }
        let root = match &ssh.become_root {
            Become::Sudo => Root::Sudo,
            Become::SudoPassword(source) => Root::Password(source.clone()),
            Become::None => Root::Already,
        };
        Route { jump, host: end, root }
    }

    /// A ProxyJump of `~/.ssh/config`: `[USER@]HOST[:PORT]`.
    fn jump(&self, text: &str, site: &OnPremSite, key: Option<&PathBuf>, known: &[PathBuf]) -> Hop {
        let (user, rest) = text.split_once('@').map_or((None, text), |(user, rest)| (Some(user.to_owned()), rest));
        let (name, port) = match rest.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse().ok()?))) {
            Some((name, port)) => (name, Some(port)),
            None => (rest, None),
        };
        let params = self.of(name);
        let params = params.as_ref();
        Hop {
            address: params.and_then(|params| params.host_name.clone()).unwrap_or_else(|| name.to_owned()),
            port: port.or_else(|| params.and_then(|params| params.port)).unwrap_or(22),
            user: user
                .or_else(|| params.and_then(|params| params.user.clone()))
                .unwrap_or_else(|| site.ssh.user.to_string()),
            key: params.and_then(identity).or_else(|| key.cloned()),
            trust: Trust::Known(known.to_vec()),
        }
    }
}

fn identity(params: &HostParams) -> Option<PathBuf> {
    params.identity_file.as_ref()?.first().cloned()
}
