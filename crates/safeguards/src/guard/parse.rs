//! Text → clauses.
use super::{Clause, Clauses, Literal, Operand, Query, Source, Step, Test};
use crate::prelude::*;
use regex_lite::Regex;
use serde_json::Value;

/// Reads the clauses of a rule.
///
/// # Errors
/// What was expected, and what stands there.
pub(crate) fn parse(text: &str) -> Result<Clauses, String> {
    let mut reader = Reader { rest: text };
    let clauses = reader.clauses("")?;
    if reader.rest.is_empty() { Ok(clauses) } else { reader.expected("a clause") }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn expected<T>(&self, what: &str) -> Result<T, String> {
        let there: String = self.rest.chars().take(30).collect();
        Err(format!("expected {what} at `{there}`"))
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes a sign, where it stands next.
    fn takes(&mut self, sign: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn must(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) { Ok(()) } else { self.expected(&format!("`{sign}`")) }
    }

    /// Takes a word, where it stands next and does not go on.
    fn takes_word(&mut self, word: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(word).filter(|rest| !rest.starts_with(is_of_word));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self) -> Result<&'a str, String> {
        let end = self.rest.find(|c| !is_of_word(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return self.expected("a word");
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    /// What stands between two signs of a kind. A sign after a backslash belongs to it.
    fn between(&mut self, sign: char) -> Result<&'a str, String> {
        let Some(inside) = self.rest.strip_prefix(sign) else { return self.expected("a text") };
        let mut escaped = false;
        for (at, c) in inside.char_indices() {
            if c == sign && !escaped {
                self.rest = &inside[at + sign.len_utf8()..];
                return Ok(&inside[..at]);
            }
            escaped = c == '\\' && !escaped;
        }
        self.expected("the end of a text")
    }

    /// Clauses up to a sign, which is left where it stands.
    fn clauses(&mut self, end: &str) -> Result<Clauses, String> {
        let mut clauses = Vec::new();
        loop {
            self.skip();
            if self.rest.is_empty() || (!end.is_empty() && self.rest.starts_with(end)) {
                return Ok(clauses);
            }
            let mut alternatives = vec![self.clause()?];
            while self.takes_word("or") {
                alternatives.push(self.clause()?);
            }
            clauses.push(alternatives);
        }
    }

    fn block(&mut self) -> Result<Clauses, String> {
        self.must("{")?;
        let clauses = self.clauses("}")?;
        self.must("}")?;
        Ok(clauses)
    }

    fn clause(&mut self) -> Result<Clause, String> {
        if self.takes_word("let") {
            self.skip();
            let name = self.word()?.to_owned();
            self.must("=")?;
            let source = if self.takes("count(") {
                let query = self.query()?;
                self.must(")")?;
                Source::Count(query)
            } else {
                Source::Query(self.query()?)
            };
            return Ok(Clause::Let { name, source });
        }
        if self.takes_word("when") {
            return Ok(Clause::When { conditions: self.clauses("{")?, clauses: self.block()? });
        }
        let some = self.takes_word("some");
        let query = self.query()?;
        self.skip();
        if self.rest.starts_with('{') {
            return Ok(Clause::Block { some, query, clauses: self.block()? });
        }
        Ok(Clause::Check { some, query, test: self.test()? })
    }

    fn query(&mut self) -> Result<Query, String> {
        self.skip();
        let mut query = Vec::new();
        if self.takes("%") {
            query.push(Step::Name(self.word()?.to_owned()));
        } else if self.takes_word("this") {
            query.push(Step::This);
        } else {
            query.push(self.key()?);
        }
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                self.rest = rest;
                query.push(self.key()?);
            } else if let Some(rest) = self.rest.strip_prefix("[*]") {
                self.rest = rest;
                query.push(Step::Each);
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                self.rest = rest;
                self.skip();
                query.push(if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
                    Step::Index(self.word()?.parse().map_err(|_| "an index is too large".to_owned())?)
                } else {
                    Step::Filter(self.clauses("]")?)
                });
                self.must("]")?;
            } else {
                return Ok(query);
            }
        }
    }

    fn key(&mut self) -> Result<Step, String> {
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            return Ok(Step::Each);
        }
        let key = if self.rest.starts_with('\'') { self.between('\'')? } else { self.word()? };
        Ok(Step::Key(key.to_owned()))
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.takes_word("not") {
            return if self.takes_word("exists") { Ok(Test::NotExists) } else { self.expected("`exists`") };
        }
        for (word, test) in [("exists", Test::Exists), ("empty", Test::Empty), ("is_struct", Test::IsStruct)] {
            if self.takes_word(word) {
                return Ok(test);
            }
        }
        if self.takes_word("!empty") {
            return Ok(Test::NotEmpty);
        }
        if self.takes_word("IN") {
            return Ok(Test::In(self.operand()?));
        }
        for (sign, of) in [("==", Test::Is as fn(Operand) -> Test), ("!=", Test::IsNot)] {
            if self.takes(sign) {
                return Ok(of(self.operand()?));
            }
        }
        for (sign, of) in [(">=", Test::AtLeast as fn(i64) -> Test), ("<=", Test::AtMost)] {
            if self.takes(sign) {
                self.skip();
                let number = self.word()?.parse().map_err(|_| "a number was expected".to_owned())?;
                return Ok(of(number));
            }
        }
        self.expected("a test")
    }

    fn operand(&mut self) -> Result<Operand, String> {
        if self.takes("%") {
            return Ok(Operand::Name(self.word()?.to_owned()));
        }
        if !self.takes("[") {
            return Ok(Operand::Literal(self.literal()?));
        }
        let mut list = vec![self.literal()?];
        while self.takes(",") {
            list.push(self.literal()?);
        }
        self.must("]")?;
        Ok(Operand::List(list))
    }

    fn literal(&mut self) -> Result<Literal, String> {
        self.skip();
        if self.rest.starts_with('/') {
            let pattern = self.between('/')?.replace("\\/", "/");
            return Regex::new(&pattern).map(Literal::Pattern).map_err(|error| format!("/{pattern}/: {error}"));
        }
        if self.rest.starts_with('\'') {
            return Ok(Literal::Value(Value::from(self.between('\'')?)));
        }
        let word = self.word()?;
        match serde_json::from_str(word) {
            Ok(value) => Ok(Literal::Value(value)),
            Err(_) => Err(format!("`{word}` is no value; texts stand between quotes")),
        }
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
