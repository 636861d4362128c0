//! IPsec tunnels that strongSwan keeps (swanctl(8)): whether each is up, and by what it was negotiated.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, UnitName};
use incline_model::plan::Impact;
use serde::{Deserialize, Serialize};

/// What charon says of the tunnels that are up, and which of their interfaces there are.
const TUNNELS: Topic = Topic {
    name: "tunnels",
    program: r#"
if ! has swanctl; then emit tunnels "$i" 127 swanctl; return; fi
# A daemon that does not run has none.
out=$($T swanctl --list-sas) || out=
for link in /sys/class/net/incline[0-9]*; do if [ -e "$link" ]; then out="$out${NL}link ${link##*/}"; fi; done
emit tunnels "$i" 0 "$out""#,
    split: None,
    aside: false,
};

/// IPsec tunnels that strongSwan keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tunnels {
    /// The tunnels.
    pub tunnels: Vec<Tunnel>,
    /// The service that loads their configuration and makes their interfaces.
    pub by: UnitName,
}

/// An IPsec tunnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tunnel {
    /// The name of its connection and of that one's child.
    pub name: FileName,
    /// Its interface.
    pub interface: FileName,
    /// By what it may be negotiated, as `swanctl.conf` names it: `aes256gcm16-prfsha384-ecp384`.
    pub ike: Vec<String>,
}

/// An algorithm as charon lists it → as its configuration names it.
fn algorithm(listed: &str) -> String {
    let (name, bits) = listed.rsplit_once('-').unwrap_or((listed, ""));
    match name {
        "AES_GCM_16" => format!("aes{bits}gcm16"),
        "AES_CBC" => format!("aes{bits}"),
        _ => match name.strip_prefix("PRF_HMAC_SHA2_").or(name.strip_prefix("HMAC_SHA2_")) {
            Some(hash) if name.starts_with("PRF") => format!("prfsha{hash}"),
            Some(hash) => format!("sha{}", hash.split('_').next().unwrap_or(hash)),
            None => name.to_ascii_lowercase().replace('_', ""),
        },
    }
}

/// `AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384` → `aes256gcm16-prfsha384-ecp384`. Beside an integrity, the PRF goes without saying.
fn proposal(listed: &str) -> String {
    let mut all: Vec<String> = listed.trim().split('/').map(algorithm).collect();
    if all.iter().any(|word| word.starts_with("sha")) {
        all.retain(|word| !word.starts_with("prf"));
    }
    all.join("-")
}

/// By what a connection was negotiated, if it is up with its child.
fn negotiated(listed: &str, name: &str) -> Option<String> {
    let mut lines = listed.lines().skip_while(|line| {
        !line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": #") && rest.contains("ESTABLISHED"))
    });
    lines.next()?;
    let own: Vec<&str> = lines.take_while(|line| line.starts_with(' ')).collect();
    let is_installed =
        own.iter().any(|line| line.trim_start().starts_with(&format!("{name}: #")) && line.contains("INSTALLED"));
    let by = own.iter().find(|line| line.contains('/') && !line.contains(':'))?;
    is_installed.then(|| proposal(by))
}

impl Kind for Tunnels {
    fn subject(&self) -> String {
        self.by.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&TUNNELS, &[]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        // strongSwan may be an item of the same stage.
        let listed = known!(seen.get_if_there(&TUNNELS, &[])).map_or(String::new(), Answer::text);
        let mut difference = Difference::default();
        for tunnel in &self.tunnels {
            let link = format!("link {}", tunnel.interface);
            difference.compare(&format!("{}.interface", tunnel.name), listed.lines().any(|line| line == link), true);
            match negotiated(&listed, tunnel.name.as_str()) {
                None => difference.add(tunnel.name.as_str(), Some("down".into()), Some("up".into())),
                Some(by) if !tunnel.ike.contains(&by) => {
                    difference.add(
                        &format!("{}.negotiated by", tunnel.name),
                        Some(by.into()),
                        Some(tunnel.ike.join(" or ").into()),
                    );
                }
                Some(_) => {}
            }
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        if difference.properties.iter().any(|change| change.path.ends_with(".interface")) {
            act.run(&["systemctl", "reload-or-restart", self.by.as_str()]);
        }
        for tunnel in &self.tunnels {
            let (name, by) = (tunnel.name.as_str(), format!("{}.negotiated by", tunnel.name));
            if difference.has(name) || difference.has(&by) {
                act.script(NEGOTIATE, &[name]);
            }
        }
    }

    fn after(&self) -> &[UnitName] {
        core::slice::from_ref(&self.by)
    }

    fn impact(&self, _: &Difference) -> Impact {
        Impact::InterruptsTraffic
    }

    fn stays(&self) -> bool {
        false
    }
}

/// Of what charon logs, the last lines say why the other end refused.
const NEGOTIATE: &str = r#"
swanctl --terminate --ike "$1" --timeout 10 >/dev/null 2>&1 3<&- 9>&-
out=$(swanctl --initiate --child "$1" --timeout 30 2>&1 3<&- 9>&-) || fail "the tunnel $1 does not come up$NL$(printf '%s\n' "$out" | tail -n 8)""#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_charon_lists_is_read() {
        let listed = "lakeside-1: #2, ESTABLISHED, IKEv2, 0a_i* 0b_r\n  local  '203.0.113.77' @ 203.0.113.77[4500]\n  remote '198.51.100.7' @ 198.51.100.7[4500]\n  \
                      AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384\n  established 3s ago\n  lakeside-1: #1, reqid 1, INSTALLED, TUNNEL, ESP:AES_GCM_16-256\n    installed 3s ago\n\
                      lakeside-2: #3, CONNECTING, IKEv2, 0c_i* 0d_r\n  AES_CBC-256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048\n";
        assert_eq!(negotiated(listed, "lakeside-1").as_deref(), Some("aes256gcm16-prfsha384-ecp384"));
        assert_eq!(negotiated(listed, "lakeside-2"), None);
        assert_eq!(proposal("AES_CBC-256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048"), "aes256-sha256-modp2048");
    }
}
