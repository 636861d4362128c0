//! Items of hosts and objects of tenants, as plans and drift reports speak of them: by an id of a kind and a name.
use crate::prelude::*;
use incline_model::drift::{Finding, NOTHING, State};
use incline_model::plan::{Blocked, Change, Impact, PropertyChange, Reason, Verb};
use serde_json::Value;

/// Kind and name of an id.
fn parts(id: &str) -> (&str, &str) {
    id.split_once(' ').unwrap_or((id, ""))
}

/// What happens to an item.
pub(crate) fn change(id: &str, verb: Verb, reason: Reason, impact: Impact, properties: Vec<PropertyChange>) -> Change {
    let (kind, name) = parts(id);
    Change { resource: name.to_owned(), kind: kind.to_owned(), verb, reason, impact, retained: false, properties }
}

/// What is the matter with an item.
pub(crate) fn finding(target: &str, id: &str, state: State) -> Finding {
    let (kind, name) = parts(id);
    Finding {
        target: target.to_owned(),
        resource: name.to_owned(),
        kind: kind.to_owned(),
        physical: String::new(),
        state,
        age: None,
    }
}

/// A property that is not as it was applied.
pub(crate) fn drifted(change: &PropertyChange) -> State {
    let shown = |value: &Option<Value>| match value {
        None => NOTHING.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    State::Drifted { property: change.path.clone(), expected: shown(&change.after), actual: shown(&change.before) }
}

/// What nobody has looked at.
pub(crate) fn unseen() -> State {
    State::NotChecked { why: "not checked".to_owned() }
}

/// A target that cannot be planned.
pub(crate) fn blocked(target: &str, cause: String, details: Vec<String>, hint: &str, busy: bool) -> Blocked {
    Blocked { target: target.to_owned(), cause, details, hint: hint.to_owned(), busy, refused: None }
}

/// A target that does not answer.
pub(crate) fn unreachable(target: &str, why: &str, hint: Option<&str>) -> Blocked {
    blocked(target, why.to_owned(), Vec::new(), hint.unwrap_or("run again once it answers"), false)
}
