//! A fault: one thing wrong with what a person typed, at its exact place, with its cause and a hint.
//!
//! Faults are collected, never thrown one by one: whoever reads a report of faults can mend the file in one go.
use crate::prelude::*;
use core::fmt;

/// A stretch of text in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Byte offset of the first byte.
    pub offset: usize,
    /// Length in bytes; zero marks a point.
    pub length: usize,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

/// The way from the top of a file to a value: `pools/0/size/max`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Path(Vec<String>);

impl Path {
    /// The top of the file.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value one step further down: a key or, for lists, a position.
    #[must_use]
    pub fn at(&self, step: impl fmt::Display) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.to_string());
        Self(steps)
    }

    /// The steps from the top.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// One thing wrong with the input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file's name as the caller gave it.
    pub file: String,
    /// Where in the file; `None` where the file as a whole is at fault.
    pub place: Option<Place>,
    /// The value's path, for machines (`pools.0.size.max`); empty for the file as a whole.
    pub path: String,
    /// What is wrong, in one sentence.
    pub cause: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.cause)?;
        if let Some(hint) = &self.hint {
            write!(f, " (hint: {hint})")?;
        }
        Ok(())
    }
}

/// Names the word among `known` that is nearest to `typed`, when it is near enough to have been meant.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = typed.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&lower, &word.to_lowercase()), word))
        // 0.8: "pol" still finds "pools", "egres" finds "egress", and "size" does not become "zones".
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

/// A hint for an unknown word: the nearest known one, else all of them.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(word) = nearest(typed, known.clone()) {
        return Some(format!("did you mean `{word}`?"));
    }
    let all: Vec<&str> = known.into_iter().collect();
    (!all.is_empty()).then(|| format!("known here: {}", all.join(", ")))
}
