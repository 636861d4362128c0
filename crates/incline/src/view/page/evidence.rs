//! How a site's safeguards stand, for an auditor: paragraph by paragraph.
use super::{moment, number, whole};
use crate::evidence::{Change, Evidence, Safeguard, Standing};
use crate::view::count;
use incline_model::drift::{Finding, class_name};
use incline_safeguards::Bearing;
use maud::{Markup, html};

/// The page.
pub(crate) fn page(evidence: &Evidence) -> String {
    let body = html! {
        header {
            h1 { "Safeguards of " (evidence.site) }
            p { "Under the Security Rule of HIPAA, 45 CFR part 164, subpart C." }
            p.dim {
                (evidence.place) "; made " (moment(&evidence.at)) " by " (evidence.by) ", incline " (evidence.by.incline) ". "
                @if evidence.looked {
                    "Judged by what the inventory asks for, by what is deployed, and by what was found there just now."
                } @else {
                    "Judged by what the inventory asks for; nobody looked at what is there."
                }
            }
            dl.numbers {
                (number("hold", evidence.count(Standing::Holds), "good"))
                (number("do not hold", evidence.count(Standing::Broken), "error"))
                (number("drifted", evidence.count(Standing::Drifted), "error"))
                (number("not checked", evidence.count(Standing::NotChecked), "error"))
                (number("pending", evidence.count(Standing::Pending), "news"))
                (number("excepted", evidence.count(Standing::Excepted), "news"))
                (number("not applicable", evidence.count(Standing::NotApplicable), "good"))
            }
        }
        nav aria-label="Parts" {
            p {
                a href="#paragraphs" { "Paragraphs" } " · " a href="#exceptions" { "Exceptions" } " · "
                a href="#drift" { "Drift" } " · " a href="#changes" { "Changes and approvals" } " · " a href="#basis" { "Basis" }
            }
        }
        main {
            section #paragraphs {
                @for paragraph in &evidence.paragraphs {
                    section.card {
                        h2 { "§ " (paragraph.paragraph) " " span.dim { (paragraph.heading) } }
                        @for rule in &paragraph.safeguards {
                            @if let Some(safeguard) = evidence.safeguards.iter().find(|one| one.rule == *rule) {
                                (entry(safeguard, evidence))
                            }
                        }
                    }
                }
            }
            section.card #exceptions {
                h2 { "Exceptions" }
                @if evidence.held_to.exceptions.is_empty() { p { "None." } } @else {
                    table {
                        thead { tr { th { "Safeguard" } th { "Where" } th { "Reason" } th { "Approved by" } th { "Until" } } }
                        tbody {
                            @for exception in &evidence.held_to.exceptions {
                                tr {
                                    td { code { (exception.rule) } }
                                    td data-name="Where" { (exception.scope.as_ref().map_or("the site", |scope| scope.as_str())) }
                                    td data-name="Reason" { (exception.reason) }
                                    td data-name="Approved by" { (exception.approved_by) }
                                    td data-name="Until" { (exception.until) }
                                }
                            }
                        }
                    }
                }
            }
            section.card #drift { (drift(evidence)) }
            section.card #changes { (changes(evidence)) }
            section.card #basis { (basis(evidence)) }
        }
        footer.dim { "The same as JSON: " (evidence.site) ".json" }
    };
    whole(&format!("Safeguards of {}", evidence.site), &body, None)
}

fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Holds => "holds",
        Standing::Broken => "broken",
        Standing::Drifted => "drifted",
        Standing::NotChecked => "notChecked",
        Standing::Pending => "pending",
        Standing::Excepted => "excepted",
        Standing::NotApplicable => "none",
    }
}

fn entry(safeguard: &Safeguard, evidence: &Evidence) -> Markup {
    html! {
        details.finding open[!matches!(safeguard.standing, Standing::Holds)] {
            summary {
                span class={ "class " (class(safeguard.standing)) } { (safeguard.standing.name()) } " "
                (safeguard.title) " " code.dim { (safeguard.rule) }
            }
            dl {
                dt { "Protects" } dd { (safeguard.protects) }
                dt { "Severity" } dd { (safeguard.severity.name()) }
                @if !safeguard.places.is_empty() {
                    dt { "Holds for" }
                    dd { @for place in &safeguard.places { code { (place) } " " } }
                }
                @for (place, bearing) in &safeguard.broken {
                    dt { "Not for" }
                    dd {
                        code { (place) }
                        @match bearing {
                            Bearing::Open => {},
                            Bearing::NotPinned => { ": not judged, for incline.lock pins nothing there" },
                            Bearing::Expired { until } => { ": its exception ended on " (until) },
                            Bearing::Excepted { reason, approved_by, until } => {
                                ": excepted until " (until) " by " (approved_by) ": " (reason)
                            }
                        }
                    }
                }
                @for (name, list) in [
                    ("Drifted", &safeguard.drifted),
                    ("Not checked", &safeguard.not_checked),
                    ("Pending", &safeguard.pending),
                    ("Not covered", &safeguard.not_covered),
                ] {
                    @for what in list { dt { (name) } dd { code { (what) } } }
                }
                dt { "Checked" } dd { (moment(&evidence.at)) }
            }
        }
    }
}

fn drift(evidence: &Evidence) -> Markup {
    html! {
        h2 { "Drift" }
        @if evidence.looked {
            p {
                (count(evidence.in_sync, "resource")) " in sync, " (count(evidence.drift.len(), "finding")) ", "
                (count(evidence.not_covered, "resource")) " not covered."
            }
            @if !evidence.drift.is_empty() {
                ul { @for finding in &evidence.drift { li { (line(finding)) } } }
            }
        } @else { p { "Nobody looked for this page." } }
        h3 { "Looks" }
        @if evidence.looks.is_empty() { p { "None that this machine's audit trail knows of." } } @else {
            table {
                thead { tr { th { "When" } th { "Who" } th { "In sync" } th { "Found" } } }
                tbody {
                    @for look in &evidence.looks {
                        tr {
                            td { (moment(&look.at)) }
                            td data-name="Who" { (look.who) }
                            td data-name="In sync" { (look.in_sync) }
                            td data-name="Found" {
                                @for (index, (class, number)) in look.findings.iter().enumerate() {
                                    @if index > 0 { ", " } (number) " " (class)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn line(finding: &Finding) -> Markup {
    html! { (class_name(finding.state.class())) ": " code { (finding.what()) } }
}

fn changes(evidence: &Evidence) -> Markup {
    let end = |change: &Change| match change.success {
        Some(true) => "done",
        Some(false) => "failed",
        None => "never came to its end",
    };
    html! {
        h2 { "Changes and approvals" }
        @if let Some(approvals) = &evidence.held_to.approvals {
            p {
                "The site asks for " (count(usize::from(approvals.needed), "approval")) " of each plan by others than who applies it. These may: "
                (approvals.approvers.iter().map(|one| one.user.as_str()).collect::<Vec<_>>().join(", ")) "."
            }
        } @else { p { "The site asks for no approval by a second person." } }
        @if evidence.changes.is_empty() { p { "None that this machine's audit trail knows of." } } @else {
            table {
                thead { tr { th { "When" } th { "Who" } th { "What" } th { "Plan" } th { "Approved by" } th { "End" } } }
                tbody {
                    @for change in &evidence.changes {
                        tr {
                            td { (moment(&change.at)) }
                            td data-name="Who" { (change.who) @for caller in &change.callers { br; span.dim { (caller) } } }
                            td data-name="What" { (change.command) @if change.steps > 0 { ", " (count(change.steps, "step")) } }
                            td data-name="Plan" { @if let Some(plan) = &change.plan { code title=(plan) { (plan.get(..12).unwrap_or(plan)) } } }
                            td data-name="Approved by" {
                                @for approval in &change.approvals { (approval.by) " " code.dim { (approval.key) } " " }
                            }
                            td data-name="End" { (end(change)) " (" (change.run) ")" }
                        }
                    }
                }
            }
        }
    }
}

fn basis(evidence: &Evidence) -> Markup {
    html! {
        h2 { "Basis" }
        table {
            tbody {
                @if let Some(agreement) = &evidence.held_to.agreement {
                    tr { th { "Business associate agreement" } td { "accepted on " (agreement.accepted) " by " (agreement.by) } }
                }
                @if let Some(logs) = &evidence.held_to.host_logs { tr { th { "Hosts' logs" } td { (logs) } } }
                @for (input, digest) in &evidence.inputs {
                    tr { th { "SHA-256, " (input) } td { code { (digest) } } }
                }
                tr {
                    th { "Audit trail" }
                    td {
                        (count(evidence.trail.records, "record")) ", "
                        (if evidence.trail.whole { "whole" } else { "not whole: `incline audit verify` says what is wrong" })
                        @if let Some(head) = &evidence.trail.head { "; its end is record " (head.sequence) ", " code { (head.digest) } }
                    }
                }
            }
        }
    }
}
