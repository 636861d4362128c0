//! What the tests of a run came to, from cargo-nextest's JUnit file.
use crate::{Outcome, root};
use std::path::{Path, PathBuf};

/// One test's end.
struct Case {
    name: String,
    seconds: f64,
    has_failed: bool,
}

/// The ends of all tests of a run.
#[derive(Default)]
pub(super) struct Report {
    cases: Vec<Case>,
}

/// The names of the tests that failed in the last run, a line each.
fn place() -> PathBuf {
    root().join("target/nextest/failed.txt")
}

impl Report {
    /// Reads a JUnit file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let document = roxmltree::Document::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
        let case = |node: roxmltree::Node<'_, '_>| Case {
            name: node.attribute("name").unwrap_or_default().to_owned(),
            seconds: node.attribute("time").and_then(|text| text.parse().ok()).unwrap_or_default(),
            has_failed: node.children().any(|child| child.has_tag_name("failure") || child.has_tag_name("error")),
        };
        Ok(Self { cases: cases.map(case).collect() })
    }

    /// The last run: which tests failed, and nothing else.
    pub(super) fn last() -> Result<Self, String> {
        let text = std::fs::read_to_string(place()).map_err(|_| "there is no last run".to_owned())?;
        let case = |name: &str| Case { name: name.to_owned(), seconds: 0.0, has_failed: true };
        Ok(Self { cases: text.lines().map(case).collect() })
    }

    /// Writes down what failed.
    pub(super) fn save(&self) -> Outcome {
        let text: String = self.failed().iter().map(|name| format!("{name}\n")).collect();
        std::fs::write(place(), text).map_err(|error| format!("{}: {error}", place().display()))
    }

    /// Adds another run's tests.
    pub(super) fn add(&mut self, other: Self) {
        self.cases.extend(other.cases);
    }

    /// How many tests passed.
    pub(super) fn passed(&self) -> usize {
        self.cases.iter().filter(|case| !case.has_failed).count()
    }

    /// The names of the tests that failed.
    pub(super) fn failed(&self) -> Vec<String> {
        self.cases.iter().filter(|case| case.has_failed).map(|case| case.name.clone()).collect()
    }

    /// The tests that took longest, with their seconds.
    pub(super) fn slowest(&self, count: usize) -> Vec<(&str, f64)> {
        let mut all: Vec<(&str, f64)> = self.cases.iter().map(|case| (case.name.as_str(), case.seconds)).collect();
        all.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        all.truncate(count);
        all
    }
}
