//! The language of the rules: the part of AWS CloudFormation Guard's that they use
//! (<https://docs.aws.amazon.com/cfn-guard/latest/ug/writing-rules.html>), read and evaluated over JSON.
//!
//! AWS's own engine cannot be linked: `cfn-guard` 3.2 turns on serde_json's `preserve_order`, which Cargo then does for every crate of
//! the build. What is rendered would have other bytes, and every digest of it another value, so that all nodes of all sites were rolled.
mod evaluate;
mod parse;
mod reads;

pub(crate) use evaluate::judged;
pub(crate) use parse::parse;
pub use reads::Reads;
pub(crate) use reads::reads;

use crate::prelude::*;
use regex_lite::Regex;
use serde_json::Value;

/// What must all hold: each by one of its alternatives.
pub(crate) type Clauses = Vec<Vec<Clause>>;

/// Something that must hold.
#[derive(Debug, Clone)]
pub(crate) enum Clause {
    /// `Properties.Encrypted == true`
    Check {
        /// Whether one of what is found is enough.
        some: bool,
        query: Query,
        test: Test,
    },
    /// `Properties { … }`: the clauses hold in each value that is found.
    Block {
        /// Whether one of what is found is enough.
        some: bool,
        query: Query,
        clauses: Clauses,
    },
    /// `when … { … }`: the clauses hold where the conditions do.
    When { conditions: Clauses, clauses: Clauses },
    /// `let name = …`
    Let { name: String, source: Source },
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The values that a query finds.
    Query(Query),
    /// How many it finds.
    Count(Query),
}

/// A way to values, from where one stands.
pub(crate) type Query = Vec<Step>;

/// A step of the way.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// `this`
    This,
    /// `%name`
    Name(String),
    /// `.key`, `.'any key'`
    Key(String),
    /// `[1]`
    Index(usize),
    /// `.*`, `[*]`: each value of a map, each entry of a list; what is no list stands for a list of one.
    Each,
    /// `[ … ]`: those in which the clauses hold.
    Filter(Clauses),
}

/// What is asked of a value.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Exists,
    NotExists,
    Empty,
    NotEmpty,
    IsStruct,
    Is(Operand),
    IsNot(Operand),
    AtLeast(i64),
    AtMost(i64),
    In(Operand),
}

/// What a value is compared with.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Literal(Literal),
    List(Vec<Literal>),
    Name(String),
}

/// A value of the rule itself.
#[derive(Debug, Clone)]
pub(crate) enum Literal {
    Value(Value),
    Pattern(Regex),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn broken(rule: &str, document: &Value) -> Vec<String> {
        judged(&parse(rule).unwrap(), document).broken.into_iter().collect()
    }

    #[test]
    fn what_is_missing_empty_or_of_another_kind_is_not_safe() {
        let rule = "Volumes.*[ Kind == 'disk' ].Encrypted == true";
        assert!(
            broken(rule, &json!({"Volumes": {"a": {"Kind": "disk", "Encrypted": true}, "b": {"Kind": "tape"}}}))
                .is_empty()
        );
        assert_eq!(broken(rule, &json!({"Volumes": {"a": {"Kind": "disk"}}})), ["Volumes/a/Encrypted"]);
        assert_eq!(
            broken(rule, &json!({"Volumes": {"a": {"Kind": "disk", "Encrypted": "true"}}})),
            ["Volumes/a/Encrypted"]
        );
        assert_eq!(broken(rule, &json!({"Volumes": {}})), ["Volumes/Encrypted"]);
        assert_eq!(broken(rule, &json!({})), ["Volumes/Encrypted"]);
        assert_eq!(broken("Who != '*'", &json!({"Who": {"AWS": "*"}})), ["Who"]);
    }

    #[test]
    fn a_list_is_what_its_entries_are() {
        let rule = "Statement[ Resource == '*' ].Action[*] != /:\\*$/";
        let says = |resource: Value, action: Value| {
            broken(rule, &json!({"Statement": [{"Resource": resource, "Action": action}]}))
        };
        assert_eq!(says(json!("*"), json!("s3:*")), ["Statement/0/Action"]);
        assert_eq!(says(json!(["*"]), json!(["s3:Get", "s3:*"])), ["Statement/0/Action/1"]);
        assert!(says(json!("arn"), json!("s3:*")).is_empty());
    }

    #[test]
    fn some_or_when_and_names() {
        let rule = "let members = count(hosts[ some roles.* == 'api' ])\n when hosts !empty { %members >= 2 or\n small == true }";
        let host = |role: &str| json!({"roles": [role, "worker"]});
        assert!(broken(rule, &json!({"hosts": [host("api"), host("api")]})).is_empty());
        assert!(broken(rule, &json!({"hosts": [host("api")], "small": true})).is_empty());
        assert_eq!(broken(rule, &json!({"hosts": [host("api")]})), ["", "small"]);
        assert!(broken(rule, &json!({"hosts": []})).is_empty());
        let within = "let open = locked[*].name\n taken[*].name IN %open";
        assert_eq!(
            broken(within, &json!({"locked": [{"name": "a"}], "taken": [{"name": "a"}, {"name": "b"}]})),
            ["taken/1/name"]
        );
    }

    #[test]
    fn a_broken_rule_is_told_with_its_place() {
        for (rule, cause) in [
            ("a.b = 1", "expected a test at `= 1`"),
            ("a == yes", "`yes` is no value; texts stand between quotes"),
            ("a == 'x", "expected the end of a text at `'x`"),
            ("a { b exists", "expected `}` at ``"),
            ("a not there", "expected `exists` at `there`"),
        ] {
            assert_eq!(parse(rule).unwrap_err(), cause, "{rule}");
        }
    }
}
