//! Clauses and a value → where they hold, and where they do not.
use super::{Clause, Clauses, Literal, Operand, Query, Source, Step, Test};
use crate::prelude::*;
use serde_json::Value;

/// Where clauses hold in a document, and where they do not.
pub(crate) fn judged(clauses: &Clauses, document: &Value) -> Verdict {
    let top = Place { path: String::new(), value: document };
    judge(clauses, &top, &Names::new())
}

/// What names stand for.
type Names<'a> = BTreeMap<&'a str, Meant<'a>>;

#[derive(Clone)]
enum Meant<'a> {
    Values(Vec<Result<Place<'a>, String>>),
    Number(Value),
}

/// A value, and the way to it from the top.
#[derive(Clone)]
struct Place<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Place<'a> {
    fn below(&self, step: impl core::fmt::Display, value: &'a Value) -> Self {
        Self { path: below(&self.path, step), value }
    }
}

fn below(path: &str, step: impl core::fmt::Display) -> String {
    if path.is_empty() { step.to_string() } else { format!("{path}/{step}") }
}

/// What is said of clauses, place by place; where there is nothing that they are about, nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    /// Where they hold.
    pub(crate) held: BTreeSet<String>,
    /// Where they do not.
    pub(crate) broken: BTreeSet<String>,
}

impl Verdict {
    fn held(path: String) -> Self {
        Self { held: BTreeSet::from([path]), ..Self::default() }
    }

    fn broken(path: String) -> Self {
        Self { broken: BTreeSet::from([path]), ..Self::default() }
    }

    fn of(holds: bool, path: String) -> Self {
        if holds { Self::held(path) } else { Self::broken(path) }
    }

    fn holds(&self) -> bool {
        self.broken.is_empty() && !self.held.is_empty()
    }
}

/// All clauses must hold; those that say nothing do not count.
fn judge<'a>(clauses: &'a Clauses, at: &Place<'a>, known: &Names<'a>) -> Verdict {
    let mut names = known.clone();
    let mut verdicts = Vec::new();
    for alternatives in clauses {
        if let [Clause::Let { name, source }] = alternatives.as_slice() {
            let meant = match source {
                Source::Query(query) => Meant::Values(find(query, at, &names)),
                Source::Count(query) => {
                    Meant::Number(find(query, at, &names).iter().filter(|found| found.is_ok()).count().into())
                }
            };
            names.insert(name, meant);
        } else {
            verdicts.push(any(alternatives, at, &names));
        }
    }
    all(verdicts.into_iter())
}

/// One of the alternatives must hold.
fn any<'a>(alternatives: &'a [Clause], at: &Place<'a>, names: &Names<'a>) -> Verdict {
    let mut broken = BTreeSet::new();
    for clause in alternatives {
        let verdict = one(clause, at, names);
        if verdict.holds() {
            return verdict;
        }
        broken.extend(verdict.broken);
    }
    Verdict { broken, ..Verdict::default() }
}

fn one<'a>(clause: &'a Clause, at: &Place<'a>, names: &Names<'a>) -> Verdict {
    match clause {
        Clause::Let { .. } => Verdict::default(),
        Clause::When { conditions, clauses } => {
            if judge(conditions, at, names).holds() {
                judge(clauses, at, names)
            } else {
                Verdict::default()
            }
        }
        Clause::Block { some, query, clauses } => {
            let judged = find(query, at, names).into_iter().map(|found| match found {
                Ok(place) => judge(clauses, &place, names),
                Err(path) => Verdict::broken(path),
            });
            enough(*some, judged.collect(), at)
        }
        Clause::Check { some, query, test } => check(*some, query, test, at, names),
    }
}

/// All of them must hold.
fn all(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.fold(Verdict::default(), |mut all, verdict| {
        all.held.extend(verdict.held);
        all.broken.extend(verdict.broken);
        all
    })
}

fn check<'a>(some: bool, query: &'a Query, test: &Test, at: &Place<'a>, names: &Names<'a>) -> Verdict {
    let here = |holds| Verdict::of(holds, at.path.clone());
    if let [Step::Name(name)] = query.as_slice()
        && let Some(Meant::Number(number)) = names.get(name.as_str())
    {
        return here(passes(test, number, names));
    }
    let found = find(query, at, names);
    // Of what is chosen, it is asked whether there is any. Where a way ends before its time, nothing was chosen.
    if matches!(query.last(), Some(Step::Filter(_) | Step::Name(_))) {
        let holds = match test {
            Test::Empty => Some(!found.iter().any(Result::is_ok)),
            Test::NotEmpty => Some(!found.is_empty() && found.iter().all(Result::is_ok)),
            _ => None,
        };
        if let Some(holds) = holds {
            return here(holds);
        }
    }
    let judged = found.into_iter().map(|found| match (found, test) {
        (Err(path), _) => Verdict::of(matches!(test, Test::NotExists), path),
        (Ok(place), _) => Verdict::of(passes(test, place.value, names), place.path),
    });
    enough(some, judged.collect(), at)
}

/// All that was found must hold, or some of it.
fn enough(some: bool, judged: Vec<Verdict>, at: &Place<'_>) -> Verdict {
    if some && judged.is_empty() {
        return Verdict::broken(at.path.clone());
    }
    if some && judged.iter().any(Verdict::holds) {
        return all(judged.into_iter().filter(Verdict::holds));
    }
    all(judged.into_iter())
}

/// What a query finds, or where it ends before its time.
fn find<'a>(query: &'a Query, at: &Place<'a>, names: &Names<'a>) -> Vec<Result<Place<'a>, String>> {
    let mut found: Vec<Result<Place<'a>, String>> = vec![Ok(at.clone())];
    for step in query {
        let next = found.into_iter().flat_map(|place| match place {
            Ok(place) => follow(step, &place, names),
            // The way is named to where it was to lead.
            Err(path) => vec![Err(match step {
                Step::Key(key) => below(&path, key),
                _ => path,
            })],
        });
        found = next.collect();
    }
    found
}

fn follow<'a>(step: &'a Step, place: &Place<'a>, names: &Names<'a>) -> Vec<Result<Place<'a>, String>> {
    match (step, place.value) {
        (Step::This, _) => vec![Ok(place.clone())],
        (Step::Name(name), _) => match names.get(name.as_str()) {
            Some(Meant::Values(values)) => values.clone(),
            _ => vec![Err(format!("%{name}"))],
        },
        (Step::Key(key), value) => vec![match value.get(key) {
            Some(value) => Ok(place.below(key, value)),
            None => Err(below(&place.path, key)),
        }],
        (Step::Index(index), Value::Array(list)) => vec![match list.get(*index) {
            Some(value) => Ok(place.below(index, value)),
            None => Err(below(&place.path, index)),
        }],
        (Step::Index(index), _) => vec![Err(below(&place.path, index))],
        // Of an empty list nothing can be said that would make it safe: the way ends there.
        (Step::Each, Value::Array(list)) if !list.is_empty() => {
            list.iter().enumerate().map(|(index, value)| Ok(place.below(index, value))).collect()
        }
        (Step::Each, Value::Object(map)) if !map.is_empty() => {
            map.iter().map(|(key, value)| Ok(place.below(key, value))).collect()
        }
        (Step::Each, Value::Array(_) | Value::Object(_)) => vec![Err(place.path.clone())],
        (Step::Each, _) => vec![Ok(place.clone())],
        (Step::Filter(clauses), Value::Array(list)) => {
            let entries = list.iter().enumerate().map(|(index, value)| place.below(index, value));
            entries.filter(|entry| judge(clauses, entry, names).holds()).map(Ok).collect()
        }
        (Step::Filter(clauses), Value::Object(_)) => {
            if judge(clauses, place, names).holds() {
                vec![Ok(place.clone())]
            } else {
                Vec::new()
            }
        }
        (Step::Filter(_), _) => vec![Err(place.path.clone())],
    }
}

fn passes(test: &Test, value: &Value, names: &Names<'_>) -> bool {
    let is_empty = || match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    match test {
        Test::Exists => true,
        Test::NotExists => false,
        Test::Empty => is_empty(),
        Test::NotEmpty => !is_empty(),
        Test::IsStruct => value.is_object(),
        Test::AtLeast(least) => value.as_i64().is_some_and(|number| number >= *least),
        Test::AtMost(most) => value.as_i64().is_some_and(|number| number <= *most),
        Test::Is(operand) | Test::In(operand) => each(value, |one| compare(operand, one, names) == Some(true)),
        // What cannot be compared is not unequal: it was not thought of.
        Test::IsNot(operand) => each(value, |one| compare(operand, one, names) == Some(false)),
    }
}

/// A list is what all of its entries are: `Resource: ["*"]` says what `Resource: "*"` does.
fn each(value: &Value, holds: impl Fn(&Value) -> bool) -> bool {
    match value {
        Value::Array(list) => list.iter().all(holds),
        _ => holds(value),
    }
}

/// Whether a value is the operand, or one of them; none where the two are of different kinds.
fn compare(operand: &Operand, value: &Value, names: &Names<'_>) -> Option<bool> {
    match operand {
        Operand::Literal(literal) => like(literal, value),
        Operand::List(list) => Some(list.iter().any(|literal| like(literal, value) == Some(true))),
        Operand::Name(name) => match names.get(name.as_str())? {
            Meant::Number(number) => Some(number == value),
            Meant::Values(values) => Some(values.iter().flatten().any(|place| place.value == value)),
        },
    }
}

fn like(literal: &Literal, value: &Value) -> Option<bool> {
    match (literal, value) {
        (Literal::Pattern(pattern), Value::String(text)) => Some(pattern.is_match(text)),
        (Literal::Value(wanted), _) if core::mem::discriminant(wanted) == core::mem::discriminant(value) => {
            Some(wanted == value)
        }
        _ => None,
    }
}
