//! Clauses → what they read, so that whoever knows that something changed knows which rules it may break.
use super::{Clause, Clauses, Literal, Operand, Query, Source, Step, Test};
use crate::prelude::*;
use serde_json::Value;

/// What a rule reads of its documents. It is more than a rule depends on in a given document, and never less.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Types of resources that the rule chooses by; none where it reads them all.
    pub types: BTreeSet<String>,
    /// Ways to properties of resources, from `Properties` on, without the numbers of lists.
    pub properties: BTreeSet<Vec<String>>,
    /// All keys on its ways: of inventories, items and declarations.
    pub keys: BTreeSet<String>,
}

impl Reads {
    /// Whether a change at a property's path, `.` between its parts, may change what the rule says.
    pub fn property(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('.').filter(|part| part.parse::<usize>().is_err()).collect();
        self.properties.iter().any(|way| way.iter().zip(&path).all(|(one, other)| one == *other))
    }
}

/// What clauses read.
pub(crate) fn reads(clauses: &Clauses) -> Reads {
    let mut reads = Reads::default();
    all(clauses, &[], &mut BTreeMap::new(), &mut reads);
    reads
}

/// The way that a name stands for.
type Names = BTreeMap<String, Vec<String>>;

fn all(clauses: &Clauses, from: &[String], names: &mut Names, reads: &mut Reads) {
    for clause in clauses.iter().flatten() {
        match clause {
            Clause::Let { name, source: Source::Query(query) } => {
                let way = follow(query, from, names, reads);
                names.insert(name.clone(), way);
            }
            Clause::Let { source: Source::Count(query), .. } => {
                let way = follow(query, from, names, reads);
                note(&way, reads);
            }
            Clause::When { conditions, clauses } => {
                all(conditions, from, names, reads);
                all(clauses, from, names, reads);
            }
            Clause::Block { query, clauses, .. } => {
                let way = follow(query, from, names, reads);
                all(clauses, &way, names, reads);
            }
            Clause::Check { query, test, .. } => {
                let way = follow(query, from, names, reads);
                note(&way, reads);
                if way.last().is_some_and(|key| key == "Type") {
                    reads.types.extend(literals(test));
                }
            }
        }
    }
}

/// Notes where a way ends: what lies on it is read for what is at its end alone.
fn note(way: &[String], reads: &mut Reads) {
    let below = way.iter().position(|key| key == "Properties").and_then(|at| way.get(at + 1..));
    if let Some(below) = below.filter(|below| !below.is_empty()) {
        reads.properties.insert(below.to_vec());
    }
}

/// Goes a way, and notes its keys.
fn follow(query: &Query, from: &[String], names: &mut Names, reads: &mut Reads) -> Vec<String> {
    let mut way = from.to_vec();
    for step in query {
        match step {
            Step::Key(key) => {
                way.push(key.clone());
                reads.keys.insert(key.clone());
                // A site's inventory counts the resources of each type that are rendered of it.
                if key.starts_with("AWS::") {
                    reads.types.insert(key.clone());
                }
            }
            Step::Name(name) => way = names.get(name).cloned().unwrap_or_default(),
            Step::Filter(clauses) => all(clauses, &way, names, reads),
            Step::This | Step::Index(_) | Step::Each => {}
        }
    }
    way
}

/// The texts that a test compares with.
fn literals(test: &Test) -> Vec<String> {
    let text = |literal: &Literal| match literal {
        Literal::Value(Value::String(text)) => Some(text.clone()),
        Literal::Value(_) | Literal::Pattern(_) => None,
    };
    match test {
        Test::Is(Operand::Literal(literal)) => text(literal).into_iter().collect(),
        Test::Is(Operand::List(list)) | Test::In(Operand::List(list)) => list.iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::parse;

    fn of(rule: &str) -> Reads {
        reads(&parse(rule).unwrap())
    }

    #[test]
    fn a_rule_reads_the_types_and_properties_on_its_ways() {
        let rule = of(
            "Resources.*[ Type == 'T' Properties.Scheme == 'open' ].Properties.List[*] { Cidr not exists or Cidr != '*' }",
        );
        assert_eq!(rule.types, BTreeSet::from(["T".to_owned()]));
        assert!(rule.property("Scheme") && rule.property("List") && rule.property("List.0.Cidr"));
        assert!(!rule.property("List.0.Port") && !rule.property("Tags.0.Value"));
        let several = of("Resources.*[ Type IN ['A', 'B'] ] { DeletionPolicy == 'Retain' }");
        assert_eq!(several.types.len(), 2);
        assert!(!several.property("Size"));
        let open = of("Resources.*.Type IN [/^AWS::/]");
        assert!(open.types.is_empty() && open.properties.is_empty());
    }

    #[test]
    fn names_lead_where_they_were_given() {
        let rule =
            of("let keys = Resources.*[ Type == 'K' ].Properties\n %keys.Policy.Statement[*].Principal is_struct");
        assert!(rule.property("Policy") && rule.property("Policy.Statement.3.Principal.AWS") && !rule.property("Spec"));
        let site = of("when kind == 'AwsSite' { rendered.'AWS::CloudTrail::Trail' exists }");
        assert!(site.types.contains("AWS::CloudTrail::Trail") && site.keys.contains("rendered"));
    }
}
