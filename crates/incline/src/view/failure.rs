//! Failures: faults with snippet, cause and hint; everything else as a chain of causes and a hint.
use super::{style, width};
use crate::error::{Exit, Failure};
use crate::safeguards::NotJudged;
use incline_model::fault::Fault;
use incline_model::inventory::{Parser, masked};
use incline_safeguards::Assessment;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io::Write;

/// Prints a failure to stderr and says how the command ends.
pub(crate) fn show(failure: &Failure) -> Exit {
    let mut out = anstream::stderr().lock();
    // Where stderr itself is gone there is nobody left to tell.
    let _ = out.write_all(text(failure).as_bytes());
    failure.exit()
}

fn text(failure: &Failure) -> String {
    let mut text = match failure {
        Failure::Faults { faults, texts } | Failure::Refused { faults, texts } => snippets(faults, texts),
        _ => String::new(),
    };
    text.push_str(&format!("{}{failure}\n", style::red("error: ")));
    let mut cause = failure.source();
    while let Some(error) = cause {
        text.push_str(&format!("  caused by: {error}\n"));
        cause = error.source();
    }
    if let Some(hint) = failure.hint() {
        text.push_str(&format!("{}{hint}\n", style::yellow("hint: ")));
    }
    text
}

/// A failure and its causes in one line.
pub(crate) fn chain(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// A failure in one line: what, its causes, and the way out.
pub(crate) fn line(failure: &Failure) -> String {
    let mut text = chain(failure);
    if let Some(hint) = failure.hint() {
        text.push_str(&format!("; {hint}"));
    }
    text
}

/// Faults, each with the line that it is about.
pub(crate) fn snippets(faults: &[Fault], texts: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
        .with_width(width())
        .with_context_lines(1)
        // The terminal wraps: names with dashes stay whole, and can be copied.
        .with_wrap_lines(false)
        .without_cause_chain();
    // What may be a secret is in no snippet, whichever line it is about.
    let parser = Parser::default();
    let shown = |text: &String| masked(&parser, text.strip_prefix('\u{feff}').unwrap_or(text));
    let texts: BTreeMap<&String, String> = texts
        .iter()
        .filter(|(file, _)| faults.iter().any(|fault| fault.file == **file))
        .map(|(file, text)| (file, shown(text)))
        .collect();
    for fault in faults {
        let source = texts.get(&fault.file).map(|text| NamedSource::new(&fault.file, text.clone()));
        let mut report = String::new();
        if handler.render_report(&mut report, &Report { fault, source }).is_err() {
            report = fault.to_string();
        }
        text.push_str(report.trim_end());
        text.push_str("\n\n");
    }
    text
}

/// The outcome of a check as JSON: `{"ok": …, "faults": […], "assessments": […], "notJudged": […]}`, version 1.
pub(crate) fn faults_json(faults: &[Fault], assessments: &[Assessment], not_judged: &[NotJudged]) -> String {
    let refused = assessments.iter().any(Assessment::refuses);
    let list: Vec<_> = faults
        .iter()
        .map(|fault| {
            json!({
                "file": fault.file, "line": fault.place.map(|place| place.line), "column": fault.place.map(|place| place.column),
                "path": fault.path, "cause": fault.cause, "hint": fault.hint,
            })
        })
        .collect();
    let unjudged: Vec<_> = not_judged
        .iter()
        .map(|one| json!({ "site": one.site, "file": one.file, "why": one.why, "hint": one.hint }))
        .collect();
    let ok = list.is_empty() && unjudged.is_empty() && !refused;
    let outcome = json!({ "format": 1, "ok": ok, "faults": list, "assessments": assessments, "notJudged": unjudged });
    format!("{outcome:#}\n")
}

/// A fault as miette draws it.
#[derive(Debug)]
struct Report<'a> {
    fault: &'a Fault,
    source: Option<NamedSource<String>>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.cause)?;
        // With a snippet the file stands in its frame.
        if self.source.is_none() || self.fault.place.is_none() {
            write!(f, " ({})", self.fault.file)?;
        }
        Ok(())
    }
}

impl Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.fault.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.fault.place?;
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.fault.place?;
        let label = (!self.fault.path.is_empty()).then(|| self.fault.path.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new(label, place.offset, place.length))))
    }
}
