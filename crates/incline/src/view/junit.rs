//! What passes and what fails, as JUnit's XML.
use crate::error::Failure;
use crate::safeguards::{Broken, NotJudged};
use incline_model::drift::{Drift, State};
use incline_model::fault::Fault;
use incline_safeguards::{Assessment, Bearing, Catalogue};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// A check: a suite a site, a case a rule. What is excepted or not applicable is skipped; a site that was not judged
/// is an error.
pub(crate) fn checked(
    catalogue: &Catalogue,
    faults: &[Fault],
    assessments: &[Assessment],
    broken: &[Broken<'_>],
    not_judged: &[NotJudged],
) -> Result<String, Failure> {
    let mut report = Report::new("incline check");
    if !faults.is_empty() {
        let mut suite = TestSuite::new("inventories");
        for fault in faults {
            suite.add_test_case(TestCase::new(fault.file.clone(), failed(fault)));
        }
        report.add_test_suite(suite);
    }
    for assessment in assessments {
        let mut suite = TestSuite::new(assessment.site.clone());
        for rule in catalogue.rules() {
            let of_rule = broken.iter().filter(|broken| broken.site == assessment.site && broken.rule.id == rule.id);
            let (borne, open): (Vec<_>, Vec<_>) =
                of_rule.partition(|broken| matches!(broken.bearing, Bearing::Excepted { .. }));
            let status = match (open.first(), borne.first(), assessment.not_applicable.get(&rule.id)) {
                (Some(open), ..) => failed(&open.fault),
                (None, Some(borne), _) => skipped(&borne.fault.cause),
                (None, None, Some(why)) => skipped(&format!("not applicable: {why}")),
                (None, None, None) => TestCaseStatus::success(),
            };
            let mut case = TestCase::new(rule.id.clone(), status);
            case.set_classname(format!("{}.{}", assessment.site, rule.category.name()));
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    for one in not_judged {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        let hint = one.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
        status.set_message(format!("not judged: {}", one.why)).set_description(format!("{}{hint}", one.file));
        let mut suite = TestSuite::new(one.site.clone());
        suite.add_test_case(TestCase::new("safeguards", status));
        report.add_test_suite(suite);
    }
    written(&report)
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    status
}

fn failed(fault: &Fault) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let place = fault.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    let hint = fault.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    status.set_message(fault.cause.clone()).set_description(format!("{}{place} {}{hint}", fault.file, fault.path));
    status
}

fn written(report: &Report) -> Result<String, Failure> {
    let text = report.to_string();
    text.map(|text| text + "\n").map_err(|error| Failure::Other { cause: error.to_string(), hint: None })
}

/// A drift report: a suite a site. What drifted fails, what was not checked is an error, what is not covered or the
/// inventory bears is skipped; what is in sync is one case.
pub(crate) fn drift(drift: &Drift) -> Result<String, Failure> {
    let mut report = Report::new("incline drift");
    for site in &drift.sites {
        let mut suite = TestSuite::new(site.site.clone());
        suite.set_time(std::time::Duration::from_millis(site.milliseconds));
        let in_sync = format!("in sync: {}", super::count(site.in_sync, "resource"));
        suite.add_test_case(TestCase::new(in_sync, TestCaseStatus::success()));
        for finding in &site.findings {
            let (status, text) = match &finding.state {
                State::Drifted { expected, actual, .. } => {
                    let status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    (status, format!("{expected} → {actual}"))
                }
                State::NotChecked { why } => (TestCaseStatus::non_success(NonSuccessKind::Error), why.clone()),
                State::NotCovered { why } => (TestCaseStatus::skipped(), why.clone()),
                State::Ignored { reason, until, .. } => {
                    (TestCaseStatus::skipped(), format!("borne until {until}: {reason}"))
                }
                State::Pending { what } | State::Warning { what } => (TestCaseStatus::skipped(), what.clone()),
            };
            let mut status = status;
            status.set_message(text);
            let mut case = TestCase::new(finding.what(), status);
            case.set_classname(format!("{}.{}", site.site, finding.state.class()));
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    written(&report)
}
