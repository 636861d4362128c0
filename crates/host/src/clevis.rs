//! By what a LUKS2 volume opens: clevis' policies as it is given them and as it writes them into a volume's header
//! (<https://github.com/latchset/clevis>, clevis-luks-bind(1); the header's form: cryptsetup's `LUKS2 On-Disk Format`, tokens).
use crate::prelude::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use incline_model::inventory::onprem::Tang;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What must open a volume: any of the tang servers, and the TPM too where it is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy<'a> {
    pub(crate) tang: &'a [Tang],
    pub(crate) tpm2: bool,
}

impl Policy<'_> {
    /// As clevis' pin `sss` is given it.
    pub(crate) fn config(&self) -> String {
        let tang: Vec<Value> =
            self.tang.iter().map(|tang| json!({ "url": tang.url, "thp": tang.thumbprint })).collect();
        // PCR 7: what firmware and boot loader are trusted, not which kernel; it outlives updates.
        let tpm2 = json!([{ "pcr_bank": "sha256", "pcr_ids": "7" }]);
        let any = json!({ "t": 1, "pins": { "tang": tang } });
        let policy = match (self.tang.is_empty(), self.tpm2) {
            (false, false) => any,
            (false, true) => json!({ "t": 2, "pins": { "sss": any, "tpm2": tpm2 } }),
            (true, _) => json!({ "t": 1, "pins": { "tpm2": tpm2 } }),
        };
        policy.to_string()
    }

    /// As a person reads it.
    pub(crate) fn shown(&self) -> String {
        let tang: Vec<String> =
            self.tang.iter().map(|tang| format!("tang {} ({})", tang.url, tang.thumbprint)).collect();
        let any = one_of(tang, 1);
        match (self.tang.is_empty(), self.tpm2) {
            (false, false) => any,
            (false, true) => one_of(vec![any, "tpm2".to_owned()], 2),
            (true, _) => "tpm2".to_owned(),
        }
    }
}

/// What of several is needed.
fn one_of(mut pins: Vec<String>, needed: u64) -> String {
    pins.sort();
    match pins.len() {
        1 => pins.remove(0),
        all if needed == all as u64 => format!("({})", pins.join(" and ")),
        _ if needed == 1 => format!("({})", pins.join(" or ")),
        _ => format!("{needed} of ({})", pins.join(", ")),
    }
}

/// By what a volume opens.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// What clevis wrote of each binding.
    pins: Vec<Value>,
    /// To whom recovery keys are escrowed.
    pub(crate) recovery: Vec<String>,
    /// Key slots that are neither.
    pub(crate) strange: Vec<String>,
}

impl Bound {
    /// Reads a header's metadata; of what is no LUKS2 volume there is none.
    ///
    /// # Errors
    /// It is not of the form that cryptsetup and clevis write.
    pub(crate) fn read(header: &str) -> Result<Self, String> {
        let mut bound = Self::default();
        if header.is_empty() {
            return Ok(bound);
        }
        let header: Value = serde_json::from_str(header).map_err(|error| format!("the volume's header: {error}"))?;
        let mut slots: BTreeSet<String> =
            header["keyslots"].as_object().into_iter().flatten().map(|(slot, _)| slot.clone()).collect();
        for token in header["tokens"].as_object().into_iter().flatten().map(|(_, token)| token) {
            let mine: Vec<&str> =
                token["keyslots"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            // A token whose slot is gone opens nothing.
            let is_live = mine.iter().any(|slot| slots.contains(*slot));
            match token["type"].as_str() {
                Some("clevis") if is_live => bound.pins.push(pin(token["jwe"]["protected"].as_str())?),
                Some("incline-recovery") if is_live => {
                    bound.recovery.push(token["recipient"].as_str().unwrap_or_default().to_owned());
                }
                _ => continue,
            }
            for slot in mine {
                slots.remove(slot);
            }
        }
        bound.strange = slots.into_iter().map(|slot| format!("slot {slot}")).collect();
        Ok(bound)
    }

    /// As a person reads it, a text a binding. Of the keys that a tang server advertised when it was bound, the one is shown
    /// that is pinned for it, if there is one.
    pub(crate) fn shown(&self, pinned: &[Tang]) -> Vec<String> {
        let mut all: Vec<String> = self.pins.iter().map(|pin| shown(pin, pinned)).collect();
        all.sort();
        all
    }
}

/// The part of a JWE's protected header that says what opens it (RFC 7516, section 3).
fn pin(protected: Option<&str>) -> Result<Value, String> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(protected?).ok()?;
        let header: Value = serde_json::from_slice(&bytes).ok()?;
        header.get("clevis").cloned()
    };
    read().ok_or_else(|| "what clevis wrote into the volume's header cannot be read".to_owned())
}

fn shown(pin: &Value, pinned: &[Tang]) -> String {
    match pin["pin"].as_str() {
        Some("tang") => {
            let url = pin["tang"]["url"].as_str().unwrap_or_default();
            let signing =
                pin["tang"]["adv"]["keys"].as_array().into_iter().flatten().filter(|key| {
                    key["key_ops"].as_array().is_some_and(|uses| uses.iter().any(|word| word == "verify"))
                });
            let prints: Vec<String> = signing.map(thumbprint).collect();
            let known = prints.iter().find(|print| {
                pinned.iter().any(|tang| tang.url.as_str() == url && tang.thumbprint.as_str() == print.as_str())
            });
            let print = known.or(prints.first()).map_or("no signing key", String::as_str);
            format!("tang {url} ({print})")
        }
        Some("sss") => {
            let parts = pin["sss"]["jwe"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let parts = parts.map(|jwe| match self::pin(jwe.split('.').next()) {
                Ok(pin) => shown(&pin, pinned),
                Err(why) => why,
            });
            one_of(parts.collect(), pin["sss"]["t"].as_u64().unwrap_or(0))
        }
        Some(other) => other.to_owned(),
        None => "nobody knows what".to_owned(),
    }
}

/// A key's thumbprint (RFC 7638) by SHA-256.
fn thumbprint(key: &Value) -> String {
    // The members that the RFC names, in their order.
    let members = ["crv", "e", "kty", "n", "x", "y"];
    let required: BTreeMap<&str, &Value> = members.iter().filter_map(|name| Some((*name, key.get(name)?))).collect();
    URL_SAFE_NO_PAD.encode(Sha256::digest(serde_json::to_vec(&required).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_those_of_rfc_7638() {
        let key = json!({
            "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        });
        assert_eq!(thumbprint(&key), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn slots_that_nothing_declared_are_named() {
        let header = json!({
            "keyslots": { "0": {}, "1": {}, "2": {} },
            "tokens": {
                "0": { "type": "incline-recovery", "keyslots": ["0"], "recipient": "age1x" },
                "1": { "type": "incline-recovery", "keyslots": ["7"], "recipient": "age1gone" },
                "2": { "type": "clevis", "keyslots": ["1"], "jwe": { "protected": URL_SAFE_NO_PAD.encode(r#"{"clevis":{"pin":"tpm2"}}"#) } },
            }
        });
        let bound = Bound::read(&header.to_string()).unwrap();
        assert_eq!((bound.recovery.join(" "), bound.strange.join(" ")), ("age1x".to_owned(), "slot 2".to_owned()));
        assert_eq!(bound.shown(&[]), ["tpm2"]);
    }
}
