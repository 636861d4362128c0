//! The chain: a record → its line, and lines → what is wrong with them.
use crate::record::{FORMAT, Record};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::ops::RangeInclusive;

/// What the first record names as the one before.
pub(crate) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Between a record and its digest.
const SEAL: &str = ",\"digest\":\"";

/// The end of a trail at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The trail's id.
    pub trail: String,
    /// The sequence of its last record.
    pub sequence: u64,
    /// The digest of its last record.
    pub digest: String,
}

/// Something wrong with a trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// A trail that was read.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The records that can be read, with their digests.
    pub records: Vec<(Record, String)>,
    /// What is wrong.
    pub flaws: Vec<Flaw>,
}

impl Checked {
    /// The end of the trail.
    pub fn head(&self) -> Option<Head> {
        let (record, digest) = self.records.last()?;
        Some(Head { trail: record.trail.clone(), sequence: record.sequence, digest: digest.clone() })
    }

    /// What a copy of the trail's end, made earlier, says against the trail.
    pub fn compare(&self, copy: &Head) -> Option<String> {
        let mut own = self.records.iter().filter(|(record, _)| record.trail == copy.trail).peekable();
        if own.peek().is_none() {
            return Some(format!("it is of another trail, {}", copy.trail));
        }
        match own.find(|(record, _)| record.sequence == copy.sequence) {
            None => Some(format!("it is of record {}, and the trail has no such record any more", copy.sequence)),
            Some((_, digest)) if *digest != copy.digest => Some(format!("record {} was another one", copy.sequence)),
            Some(_) => None,
        }
    }
}

/// A record's line, without its end, and its digest: the SHA-256 of the JSON object as it would be without the digest.
pub(crate) fn sealed(record: &Record) -> Result<(String, String), serde_json::Error> {
    let body = serde_json::to_string(record)?;
    let digest = digest(body.as_bytes());
    let line = format!("{}{SEAL}{digest}\"}}", body.strip_suffix('}').unwrap_or(&body));
    Ok((line, digest))
}

/// A line's record and digest.
pub(crate) fn opened(line: &str) -> Result<(Record, String), String> {
    let (body, seal) = line.rsplit_once(SEAL).ok_or("it is no record: it has no digest")?;
    let said = seal.strip_suffix("\"}").ok_or("it is no record: it does not end with its digest")?;
    let body = format!("{body}}}");
    let is = digest(body.as_bytes());
    if is != said {
        return Err("it was changed: its digest is another one".to_owned());
    }
    let record: Record = serde_json::from_str(&body).map_err(|error| format!("it is no record: {error}"))?;
    if record.format != FORMAT {
        return Err(format!("its format is {}, and this incline's is {FORMAT}", record.format));
    }
    Ok((record, is))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a trail and says all that is wrong with it: lines that were changed, put in, taken out, swapped or cut off. A piece
/// of a trail may begin anywhere; a whole one begins with its first record.
pub fn check(text: &[u8], is_whole: bool) -> Checked {
    let mut checked = Checked::default();
    let mut flaw = |line: usize, why: String| checked.flaws.push(Flaw { line, why });
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    // What follows the last newline: nothing, where the last record is whole.
    let rest = lines.pop().unwrap_or_default();
    let mut before: Option<(String, u64, String)> = is_whole.then(|| (String::new(), 0, NOTHING.to_owned()));
    for (index, line) in lines.iter().enumerate() {
        let read = std::str::from_utf8(line).map_err(|_| "it is no record: it is no text".to_owned());
        let (record, digest) = match read.and_then(opened) {
            Ok(read) => read,
            Err(why) => {
                flaw(index + 1, why);
                // What comes next is compared with what it says of this one no more; a flaw is told once.
                before = None;
                continue;
            }
        };
        if let Some((trail, sequence, previous)) = &before {
            if !trail.is_empty() && *trail != record.trail {
                flaw(index + 1, format!("it is of another trail, {}", record.trail));
            } else if record.sequence != sequence + 1 {
                flaw(index + 1, format!("it is record {}, and {} must be here", record.sequence, sequence + 1));
            } else if record.previous != *previous {
                flaw(index + 1, "the record before it was another one".to_owned());
            }
        }
        before = Some((record.trail.clone(), record.sequence, digest.clone()));
        checked.records.push((record, digest));
    }
    if !rest.is_empty() {
        checked.flaws.push(Flaw { line: lines.len() + 1, why: "it is cut off".to_owned() });
    }
    checked
}

/// The lines of these records of a trail, as they stand.
pub fn pieces(text: &[u8], sequences: RangeInclusive<u64>) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let wanted = lines.filter(|line| {
        let read = std::str::from_utf8(line).ok().and_then(|line| opened(line.trim_end_matches('\n')).ok());
        read.is_some_and(|(record, _)| sequences.contains(&record.sequence))
    });
    wanted.flatten().copied().collect()
}
