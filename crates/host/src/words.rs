//! The small words of items. Each is valid by construction, so that no text reaches a host that a line of `/etc`, a unit
//! file or a tool's output could take for something else.
use crate::prelude::*;
use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($($(#[$doc:meta])+ $name:ident |$text:ident| $fits:expr, $else:literal;)+) => {
        $(
            $(#[$doc])+
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
            #[serde(try_from = "String", into = "String")]
            pub struct $name(String);

            impl $name {
                /// The text.
                pub fn as_str(&self) -> &str { &self.0 }
            }
            impl TryFrom<String> for $name {
                type Error = String;
                fn try_from(value: String) -> Result<Self, String> {
                    let $text = value.as_str();
                    if $fits { Ok(Self(value)) } else { Err(format!(concat!("`{}` is no ", $else), value.escape_debug())) }
                }
            }
            impl From<$name> for String {
                fn from(word: $name) -> Self { word.0 }
            }
            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
            }
        )+
    };
}

words! {
    /// A path on a host: absolute, without `.`, `..` and empty parts, and in one line; anything else may stand in it.
    Path |text| text.len() < 4096 && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_file_name)),
        "path: it begins with `/`, has no `.`, `..` or empty part, no control characters, and no part over 240 bytes";
    /// The name of a user or a group.
    Account |text| (1..=32).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b)),
        "user or group: 1 to 32 lower-case letters, digits, `_` and `-`";
    /// A systemd unit's full name: `kubelet.service`, `backup@data.timer` (systemd.unit(5)).
    UnitName |text| text.len() < 256 && !text.starts_with('-')
        && text.rsplit_once('.').is_some_and(|(stem, kind)| !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b":_.-@\\".contains(&b))
            && ["service", "socket", "timer", "mount", "automount", "path", "target", "slice", "swap"].contains(&kind)),
        "unit: a name with its kind, as in `kubelet.service`";
    /// The name of a package.
    PackageName |text| (1..=128).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-_".contains(&b)),
        "package: letters, digits and `+.-_`";
    /// A package's version as its manager writes it.
    Version |text| (1..=128).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.~:-_^".contains(&b)),
        "version: letters, digits and `+.~:-_^`";
    /// A kernel parameter, `.` between its parts: `net.ipv4.ip_forward` (sysctl.d(5)).
    SysctlKey |text| (1..=255).contains(&text.len()) && text.split('.').count() > 1
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-/".contains(&b)) && !part.split('/').any(|p| p.is_empty())),
        "kernel parameter: parts joined by dots, as in `net.ipv4.ip_forward`";
    /// A kernel module.
    ModuleName |text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) && !text.starts_with('-'),
        "kernel module: letters, digits, `_` and `-`";
    /// A file's name, without folders.
    FileName |text| is_file_name(text) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) && !text.starts_with(['.', '-']),
        "file name: letters, digits and `._-`, not beginning with a dot or a dash";
    /// Text of one line.
    Line |text| text.len() <= 4096 && !text.contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}'),
        "line: it has control characters, or more than 4096 bytes";
    /// A SHA-256 or SHA-512 digest in hexadecimal.
    Digest |text| matches!(text.len(), 64 | 128) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        "digest: 64 or 128 hexadecimal digits, lower case";
    /// A word without spaces: a mount option, a device's name, a filesystem's type.
    Word |text| (1..=1024).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"'`$#".contains(&b)) && !text.starts_with('-'),
        "plain word: no spaces, quotes, `\\`, `$` or `#`, and no dash in front";
    /// The UUID of a filesystem or volume, in lower case (RFC 9562).
    Uuid |text| text.len() == 36 && text.bytes().enumerate().all(|(at, b)| match at { 8 | 13 | 18 | 23 => b == b'-', _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b) }),
        "UUID: 32 hexadecimal digits in lower case, as in `6ba7b810-9dad-51d1-80b4-00c04fd430c8`";
    /// A web address.
    Url |text| text.len() <= 2048 && ["https://", "http://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"'`$<>".contains(&b)),
        "web address: `https://…`, without spaces and quotes";
}

/// 240 of the 255 bytes that Linux takes: a temporary file beside it has a longer name.
fn is_file_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
        && text.len() <= 240
        && !text.contains(|c: char| c.is_control() || c == '/' || c == '\u{2028}' || c == '\u{2029}')
}

impl Path {
    /// The folder that it stands in; `/` for what stands at the top.
    pub fn folder(&self) -> &str {
        match self.0.rfind('/') {
            Some(0) | None => "/",
            Some(end) => self.0.get(..end).unwrap_or("/"),
        }
    }

    /// A path in one of the system's folders: `name` is a word that is a file's name by its own type.
    pub(crate) fn below(folder: &'static str, name: impl fmt::Display) -> Self {
        Self(format!("{folder}/{name}"))
    }
}

impl UnitName {
    /// The unit that systemd reads for a mount point (systemd-escape(1), `--path`).
    pub fn of_mount(path: &Path) -> Self {
        let mut name = String::new();
        for (index, byte) in path.as_str().trim_start_matches('/').bytes().enumerate() {
            match byte {
                b'/' => name.push('-'),
                b'.' if index == 0 => name.push_str("\\x2e"),
                b if b.is_ascii_alphanumeric() || b"_.:".contains(&b) => name.push(char::from(b)),
                b => name.push_str(&format!("\\x{b:02x}")),
            }
        }
        Self(format!("{name}.mount"))
    }
}

/// Permissions of a file, in octal: `"0644"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(pub u32);

impl TryFrom<String> for Mode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let digits = matches!(text.len(), 3 | 4).then(|| u32::from_str_radix(&text, 8).ok()).flatten();
        digits.map(Self).ok_or_else(|| {
            format!("`{}` is no mode: three or four octal digits in quotes, as in \"0644\"", text.escape_debug())
        })
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// The user root, and root's group.
pub(crate) fn root() -> Account {
    Account("root".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_hold_anything_but_what_breaks_a_line() {
        for good in ["/a", "/etc/a b", "/etc/$(reboot)", "/etc/-rf", "/etc/'\"`\\", "/etc/é😀", "/a.b/..c"] {
            assert!(Path::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a", "/", "//", "/a/", "/a//b", "/a/./b", "/../a", "/a\nb", "/a\0", "/a\u{85}"] {
            assert!(Path::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(Path::try_from(format!("/{}", "x".repeat(241))).is_err());
    }

    #[test]
    fn mount_units_have_the_names_that_systemd_gives_them() {
        let name = |path: &str| UnitName::of_mount(&Path::try_from(path.to_owned()).unwrap()).0;
        assert_eq!(name("/mnt/disks/a-b"), r"mnt-disks-a\x2db.mount");
        assert_eq!(name("/.x/y z"), r"\x2ex-y\x20z.mount");
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(Mode::try_from("0644".to_owned()).unwrap().0, 0o644);
        assert_eq!(Mode(0o4755).to_string(), "4755");
        for bad in ["", "6", "0x1ff", "888", "00644", "-644"] {
            assert!(Mode::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
