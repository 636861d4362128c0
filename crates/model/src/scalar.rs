//! The small words of an inventory: names, addresses, identifiers. Each is valid by construction, says in one sentence
//! what is wrong when it is not, and names itself in the JSON Schema by `format`, through which [`crate::shape`] finds
//! the same check.
use crate::prelude::*;
use core::fmt;
use core::str::FromStr;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not what it should be: the cause, and perhaps what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Invalid {
    /// What is wrong.
    pub cause: String,
    /// What to write instead.
    pub hint: Option<String>,
}

fn no<T>(cause: impl Into<String>, hint: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid { cause: cause.into(), hint: Some(hint.into()) })
}

/// The check behind each `format` of the JSON Schema.
pub fn check_format(format: &str, text: &str) -> Option<Result<(), Invalid>> {
    FORMATS.iter().find(|(name, _)| *name == format).map(|(_, check)| check(text))
}

/// The names of all formats, for a full JSON Schema validator to be taught them.
pub fn formats() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|(name, _)| *name)
}

/// Text without control characters, at most 1,024 characters: nothing that could break out of a line anywhere.
fn is_line(text: &str) -> bool {
    text.chars().count() <= 1024
        && !text
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

macro_rules! words {
    ($($(#[$doc:meta])+ $name:ident $format:literal $example:literal |$text:ident| $check:block)+) => {
        $(
            $(#[$doc])+
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
            pub struct $name(String);

            impl $name {
                /// The text.
                pub fn as_str(&self) -> &str { &self.0 }
            }
            impl FromStr for $name {
                type Err = Invalid;
                fn from_str($text: &str) -> Result<Self, Invalid> {
                    $check?;
                    Ok(Self($text.to_owned()))
                }
            }
            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
            }
            text_form!($name $format $example);
        )+
        static FORMATS: &[(&str, fn(&str) -> Result<(), Invalid>)] = &[
            $(($format, |text| text.parse::<$name>().map(drop)),)+
            ("cidr", |text| text.parse::<Cidr>().map(drop)),
            ("ipv4", |text| text.parse::<Address>().map(drop)),
        ];
    };
}

macro_rules! text_form {
    ($name:ident $format:literal $example:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $name {
            fn inline_schema() -> bool { true }
            fn schema_name() -> alloc::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "examples": [$example] })
            }
        }
    };
}

impl PublicKey {
    /// The kind and the key.
    pub fn without_comment(&self) -> &str {
        self.0.match_indices(' ').nth(1).map_or(self.as_str(), |(end, _)| self.0.get(..end).unwrap_or_default())
    }
}

fn label(text: &str, longest: usize) -> Result<(), Invalid> {
    let fits = (1..=longest).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-');
    if fits {
        Ok(())
    } else {
        no(
            format!("`{text}` is not a name"),
            format!(
                "a name is 1 to {longest} lower-case letters, digits and dashes, begins with a letter and does not end with a dash"
            ),
        )
    }
}

words! {
    /// The name of a site, host, pool, balancer or disk: a DNS label (RFC 1123) short enough to prefix AWS names.
    Name "incline-name" "lakeside-prod" |text| { label(text, 28) }
    /// A DNS name (RFC 1123) of at least two labels, lower-case.
    DnsName "incline-dns-name" "prod.lakeside.internal" |text| {
        let fits = text.len() <= 200 && text.split('.').count() >= 2 && text.split('.').all(|part| {
            (1..=63).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && !part.starts_with('-') && !part.ends_with('-')
        });
        if fits { Ok(()) } else { no(format!("`{text}` is not a DNS name"), "lower-case labels joined by dots, as in `prod.lakeside.internal`") }
    }
    /// A DNS name, and a port where it is not the usual one.
    Endpoint "incline-endpoint" "bigip-a.lakeside.internal" |text| {
        let (name, port) = text.split_once(':').unwrap_or((text, "443"));
        if name.parse::<DnsName>().is_ok() && port.parse::<u16>().is_ok_and(|port| port > 0) { Ok(()) } else {
            no(format!("`{text}` is not a DNS name"), "a DNS name, perhaps with a port, as in `bigip-a.lakeside.internal:8443`")
        }
    }
    /// An AWS account number: twelve digits.
    AccountId "incline-aws-account" "111122223333" |text| {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) { Ok(()) } else {
            no(format!("`{text}` is not an AWS account number"), "twelve digits, in quotes so that leading zeros stay")
        }
    }
    /// A region that incline knows (see [`crate::region`]).
    Region "incline-aws-region" "us-east-1" |text| {
        match crate::region::find(text) {
            Some(_) => Ok(()),
            None => Err(Invalid { cause: format!("`{text}` is not a region that incline knows"), hint: crate::fault::did_you_mean(text, crate::region::names()) }),
        }
    }
    /// An availability zone, as in `us-east-1a`. That it is real is checked against the site's region.
    Zone "incline-aws-zone" "us-east-1a" |text| {
        if text.len() <= 20 && text.split('-').count() == 3 && text.ends_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') { Ok(()) } else {
            no(format!("`{text}` is not an availability zone"), "a region and a letter, as in `us-east-1a`")
        }
    }
    /// An ARN (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>) without wildcards.
    Arn "incline-arn" "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore" |text| {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let fits = text.len() <= 512 && parts.len() == 6 && parts[0] == "arn" && parts[1].starts_with("aws") && !parts[2].is_empty() && !parts[5].is_empty()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b":/_+=.@,-".contains(&b));
        if fits { Ok(()) } else { no(format!("`{text}` is not an ARN"), "`arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`, without wildcards") }
    }
    /// An EC2 instance type.
    InstanceType "incline-instance-type" "m6i.large" |text| {
        let fits = text.len() <= 32 && text.split_once('.').is_some_and(|(family, size)| {
            !family.is_empty() && !size.is_empty() && [family, size].iter().all(|part| part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        });
        if fits { Ok(()) } else { no(format!("`{text}` is not an instance type"), "a family and a size, as in `m6i.large`") }
    }
    /// An id of a VPC in another account or estate.
    VpcId "incline-vpc-id" "vpc-0a1b2c3d4e5f60718" |text| {
        if text.strip_prefix("vpc-").is_some_and(|id| matches!(id.len(), 8 | 17) && id.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())) { Ok(()) } else {
            no(format!("`{text}` is not a VPC id"), "`vpc-` and 8 or 17 hexadecimal digits")
        }
    }
    /// A Kubernetes version: major, minor and patch, as in `1.36.3`.
    Version "incline-version" "1.36.3" |text| {
        let parts: Vec<&str> = text.split('.').collect();
        if parts.len() == 3 && parts.iter().all(|p| !p.is_empty() && p.len() <= 4 && p.bytes().all(|b| b.is_ascii_digit()) && (*p == "0" || !p.starts_with('0'))) { Ok(()) } else {
            no(format!("`{text}` is not a full version"), "major, minor and patch, in quotes: `\"1.36.3\"`")
        }
    }
    /// An ECR repository name (<https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html>).
    RepositoryName "incline-ecr-repository" "radiology/viewer" |text| {
        let fits = (2..=200).contains(&text.len()) && text.split('/').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
                && part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.ends_with(|c: char| c.is_ascii_alphanumeric())
        });
        if fits { Ok(()) } else { no(format!("`{text}` is not a repository name"), "lower-case words joined by `/`, as in `radiology/viewer`") }
    }
    /// The name of an S3 bucket (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html), without dots: they
    /// do not go with TLS.
    BucketName "incline-bucket-name" "hospital-audit-copies" |text| {
        let fits = (3..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if fits { Ok(()) } else {
            no(format!("`{text}` is not a bucket's name"), "3 to 63 lower-case letters, digits and dashes, with no dash at either end")
        }
    }
    /// The name of a secret in AWS Secrets Manager.
    SecretName "incline-secret-name" "vpn/riverside-dc" |text| {
        if (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b)) { Ok(()) } else {
            no(format!("`{text}` is not the name of a secret"), "letters, digits and `/_+=.@-`; this names where the secret lies, never the secret itself")
        }
    }
    /// A key inside a secret's JSON, or the name of an environment variable.
    Identifier "incline-identifier" "tunnel1" |text| {
        if (1..=64).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') { Ok(()) } else {
            no(format!("`{text}` is not an identifier"), "letters, digits and underscores, not beginning with a digit")
        }
    }
    /// A Kubernetes label or taint key: an optional DNS prefix and a name
    /// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>).
    LabelKey "incline-label-key" "lakeside.internal/tier" |text| {
        let (prefix, name) = text.rsplit_once('/').map_or((None, text), |(p, n)| (Some(p), n));
        let prefix_fits = prefix.is_none_or(|p| !p.is_empty() && p.len() <= 253 && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)));
        if prefix_fits && !name.is_empty() && LabelValue::fits(name) { Ok(()) } else {
            no(format!("`{text}` is not a label key"), "`name` or `prefix.example/name`, at most 63 letters, digits and `-_.`")
        }
    }
    /// A Kubernetes label value: at most 63 letters, digits and `-_.`, or empty.
    LabelValue "incline-label-value" "database" |text| {
        if Self::fits(text) { Ok(()) } else { no(format!("`{text}` is not a label value"), "at most 63 letters, digits and `-_.`, beginning and ending with a letter or digit") }
    }
    /// An absolute path below the root, without `.`, `..` or anything a shell or unit file could read as more than a path.
    AbsolutePath "incline-path" "/var/lib/data" |text| {
        let fits = text.len() <= 200 && text.starts_with('/') && text.len() > 1
            && text[1..].split('/').all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+:@=-".contains(&b)));
        if fits { Ok(()) } else { no(format!("`{text}` is not an absolute path"), "begins with `/`; letters, digits and `._+:@=-` between single slashes") }
    }
    /// A stable name of a disk: a path below `/dev/disk/by-id`.
    DiskId "incline-disk-id" "/dev/disk/by-id/nvme-SAMSUNG_S5XYZ" |text| {
        if text.parse::<AbsolutePath>().is_ok() && text.strip_prefix("/dev/disk/by-id/").is_some_and(|id| !id.contains('/')) { Ok(()) } else {
            no(format!("`{text}` is not a stable disk name"), "use the disk's link below `/dev/disk/by-id/`: names such as `/dev/sdb` move")
        }
    }
    /// An SSH host key's or a certificate's SHA-256 fingerprint as OpenSSH prints it.
    Fingerprint "incline-fingerprint" "SHA256:n0bF3Pz0eFh0sW3gQ7v3mE0u3c0cB8yX1m9w7h2kQ2E" |text| {
        if text.strip_prefix("SHA256:").is_some_and(|b| b.len() == 43 && b.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b))) { Ok(()) } else {
            no(format!("`{text}` is not a SHA-256 fingerprint"), "`SHA256:` and 43 characters, as `ssh-keygen -lf` prints it")
        }
    }
    /// A tang server's thumbprint: the SHA-256 of its signing key (RFC 7638), base64url without padding.
    Thumbprint "incline-thumbprint" "iWMQbJTfdWn0yqP2cZ7V6QpC3s1Pz0eFh0sW3gQ7v3m" |text| {
        if text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) { Ok(()) } else {
            no(format!("`{text}` is not a tang thumbprint"), "43 characters, as `tang-show-keys` prints with SHA-256")
        }
    }
    /// An `https://` address, or `http://` where what is fetched is checked by digest or thumbprint.
    Url "incline-url" "https://mirror.riverside.internal/kubernetes" |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let fits = text.len() <= 500 && rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/%+=".contains(&b)));
        if fits { Ok(()) } else { no(format!("`{text}` is not an address of the web"), "`https://host/path`, without user, query or fragment") }
    }
    /// An age recipient (<https://age-encryption.org/v1>): the public key that escrowed recovery keys are encrypted to.
    AgeRecipient "incline-age-recipient" "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p" |text| {
        if text.len() == 62 && text.starts_with("age1") && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) { Ok(()) } else {
            no(format!("`{text}` is not an age recipient"), "the public key, `age1` and 58 characters, as `age-keygen -y` prints it")
        }
    }
    /// A user name on a host (POSIX portable).
    UserName "incline-user" "incline" |text| {
        if (1..=32).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b)) { Ok(()) } else {
            no(format!("`{text}` is not a user name"), "1 to 32 lower-case letters, digits, `_` and `-`")
        }
    }
    /// A path to a file on the machine that runs incline; may begin with `~/`.
    LocalPath "incline-local-path" "~/.ssh/id_ed25519" |text| {
        if !text.is_empty() && is_line(text) { Ok(()) } else { no("this is not a path", "a path on this machine, in one line") }
    }
    /// An object on a BIG-IP, as in `/Common/lakeside.crt`.
    BigIpPath "incline-bigip-path" "/Common/lakeside.crt" |text| {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() >= 3 && parts[0].is_empty() && parts[1..].iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))) { Ok(()) } else {
            no(format!("`{text}` is not an object on a BIG-IP"), "`/PARTITION/NAME`, as in `/Common/lakeside.crt`")
        }
    }
    /// An SSH public key in one line.
    PublicKey "incline-ssh-public-key" "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0vYp0m5vN8 oncall" |text| {
        let mut words = text.split(' ');
        let kind = words.next().unwrap_or("");
        let fits = is_line(text) && ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "ssh-rsa"].contains(&kind)
            && words.next().is_some_and(|key| key.len() >= 40 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)));
        if fits { Ok(()) } else { no("this is not an SSH public key", "one line as in a `.pub` file: kind, key, comment") }
    }
    /// A SHA-512 in hexadecimal.
    Digest512 "incline-sha512" "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e" |text| {
        if is_hex(text, 128) { Ok(()) } else { no(format!("`{text}` is not a SHA-512"), "128 hexadecimal digits in lower case, as `sha512sum` prints them") }
    }
    /// A container image's digest.
    ImageDigest "incline-image-digest" "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" |text| {
        if text.strip_prefix("sha256:").is_some_and(|hex| is_hex(hex, 64)) { Ok(()) } else { no(format!("`{text}` is not an image's digest"), "`sha256:` and 64 hexadecimal digits") }
    }
    /// A machine image's id.
    AmiId "incline-ami" "ami-0a1b2c3d4e5f60718" |text| {
        if text.strip_prefix("ami-").is_some_and(|hex| is_hex(hex, 17)) { Ok(()) } else { no(format!("`{text}` is not a machine image's id"), "`ami-` and 17 hexadecimal digits") }
    }
    /// A day of the Gregorian calendar, as RFC 3339 writes it; days in this form sort as they come.
    Date "incline-date" "2027-01-31" |text| {
        let parts: Vec<&str> = text.split('-').collect();
        let number = |index: usize, digits: usize| parts.get(index).filter(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_digit())).and_then(|p| p.parse::<u16>().ok());
        let fits = parts.len() == 3 && number(0, 4).zip(number(1, 2)).zip(number(2, 2)).is_some_and(|((year, month), day)| {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let days = match month { 4 | 6 | 9 | 11 => 30, 2 if leap => 29, 2 => 28, _ => 31 };
            (1..=12).contains(&month) && (1..=days).contains(&day)
        });
        if fits { Ok(()) } else { no(format!("`{text}` is not a day"), "year, month and day, as in `2027-01-31`") }
    }
    /// Free text in one line: a reason, a tag's value.
    Line "incline-line" "requested by radiology, ticket 4711" |text| {
        if text.is_empty() { no("this text is empty", "write it out or remove the key") }
        else if is_line(text) { Ok(()) }
        else { no("this text holds control characters or is longer than 1,024 characters", "one line of plain text") }
    }
}

impl LabelValue {
    fn fits(text: &str) -> bool {
        text.len() <= 63
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !text.starts_with(['-', '_', '.'])
            && !text.ends_with(['-', '_', '.'])
    }
}

impl Version {
    /// Major, minor and patch number.
    pub fn parts(&self) -> (u16, u16, u16) {
        let mut parts = self.0.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
}

impl Zone {
    /// The letter that tells the zone from its sisters: `a` in `us-east-1a`.
    pub fn letter(&self) -> &str {
        &self.0[self.0.len() - 1..]
    }
}

/// An IPv4 network whose host bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr(ipnet::Ipv4Net);

impl Cidr {
    /// Whether two networks share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }

    /// Whether all of `other` lies inside.
    pub fn contains(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether the address lies inside.
    pub fn contains_address(&self, address: &Address) -> bool {
        self.0.contains(&address.0)
    }

    /// The prefix length in bits.
    pub fn prefix(&self) -> u8 {
        self.0.prefix_len()
    }

    /// How many addresses the network holds.
    pub fn size(&self) -> u64 {
        1 << (32 - u32::from(self.0.prefix_len()))
    }

    /// The address `index` places after the network's own.
    pub fn address(&self, index: u32) -> Address {
        Address(core::net::Ipv4Addr::from(u32::from(self.0.network()).wrapping_add(index)))
    }

    /// Whether the network reaches addresses that the internet routes, that is: is not wholly RFC 1918 or RFC 6598, nor
    /// loopback (RFC 1122).
    pub fn is_public(&self) -> bool {
        !["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"]
            .iter()
            .filter_map(|net| net.parse::<ipnet::Ipv4Net>().ok())
            .any(|net| net.contains(&self.0))
    }
}

impl FromStr for Cidr {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let Ok(net) = text.parse::<ipnet::Ipv4Net>() else {
            let hint = if text.parse::<core::net::Ipv4Addr>().is_ok() {
                format!("an address and a prefix length: `{text}/32` is that one address")
            } else {
                "an IPv4 address and a prefix length, as in `10.20.0.0/16`".to_owned()
            };
            return no(format!("`{text}` is not a network"), hint);
        };
        if net.network() != net.addr() {
            return no(format!("`{text}` has host bits set"), format!("did you mean `{}`?", net.trunc()));
        }
        Ok(Self(net))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_form!(Cidr "cidr" "10.20.0.0/16");

/// An IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(core::net::Ipv4Addr);

impl Address {
    /// The network that holds this address alone.
    pub fn network(&self) -> Cidr {
        Cidr(ipnet::Ipv4Net::from(self.0))
    }
}

impl FromStr for Address {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse()
            .map(Self)
            .or_else(|_| no(format!("`{text}` is not an IPv4 address"), "four numbers of 0 to 255, as in `10.20.0.10`"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_form!(Address "ipv4" "172.20.10.11");
