//! YAML text → [`Node`]: a tree in which every key and value knows its place.
//!
//! Built on the event stream of `serde_yaml`'s successor (serde-saphyr): a serde target would lose the places of keys,
//! the difference between `1.30` and `"1.30"`, and stop at the first fault. An inventory is plain data, so anchors,
//! aliases, tags, merge keys and further documents are refused; there is nothing to expand and no bomb to defuse.
use crate::fault::{Fault, Path, Place};
use crate::prelude::*;
use serde_json::{Map, Number, Value};
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

/// Lists and maps inside one another; a site needs seven.
const MAX_DEPTH: usize = 32;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value stands.
    pub place: Place,
    /// The value.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A scalar as typed. A plain (unquoted) one may stand for a number, a boolean or nothing.
    Scalar {
        /// The text between the quotes, or the plain text.
        text: String,
        /// Whether it was typed without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map in the order typed: key, the key's place, value.
    Map(Vec<(String, Place, Node)>),
}

impl Node {
    /// The value as YAML 1.2's core schema reads it.
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar { text, plain: true } => plain(text),
            Kind::Scalar { text, plain: false } => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|(key, _, node)| (key.clone(), node.value())).collect::<Map<_, _>>())
            }
        }
    }

    /// The value under `key`, where the node is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(name, _, _)| name == key).map(|(_, _, node)| node),
            _ => None,
        }
    }

    /// The place of the value at `path`, or of the nearest value above it that was typed.
    pub fn place_of(&self, path: &Path) -> Place {
        let mut node = self;
        let mut place = self.place;
        for step in path.steps() {
            let next = match &node.kind {
                Kind::Map(entries) => entries.iter().find(|(name, _, _)| name == step).map(|(_, key, node)| {
                    // A map or list is shown by its key: its own extent is too long to underline.
                    (if matches!(node.kind, Kind::Scalar { .. }) { node.place } else { *key }, node)
                }),
                Kind::List(items) => {
                    step.parse().ok().and_then(|index: usize| items.get(index)).map(|node| (node.place, node))
                }
                Kind::Scalar { .. } => None,
            };
            let Some((found, below)) = next else { break };
            (place, node) = (found, below);
        }
        place
    }
}

/// Reads a plain scalar by YAML 1.2's core schema (<https://yaml.org/spec/1.2.2/#103-core-schema>).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Value::String(text.to_owned());
    }
    let integer = if let Some(hex) = text.strip_prefix("0x") {
        i64::from_str_radix(hex, 16).ok()
    } else if let Some(octal) = text.strip_prefix("0o") {
        i64::from_str_radix(octal, 8).ok()
    } else {
        text.parse().ok()
    };
    if let Some(number) = integer {
        return Value::Number(number.into());
    }
    if digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'))
        && let Some(number) = text.parse().ok().and_then(Number::from_f64)
    {
        return Value::Number(number);
    }
    Value::String(text.to_owned())
}

/// Parses one YAML document.
///
/// # Errors
/// All faults that can be told apart: syntax stops the reading, but duplicate keys, anchors and tags are gathered.
pub fn parse(file: &str, text: &str) -> Result<Node, Vec<Fault>> {
    let mut reader = Reader { file, text, parser: Parser::new_from_str(text), faults: Vec::new() };
    let node = reader.document();
    match node {
        Ok(node) if reader.faults.is_empty() => Ok(node),
        Ok(_) => Err(reader.faults),
        Err(fault) => {
            reader.faults.push(*fault);
            Err(reader.faults)
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    faults: Vec<Fault>,
}

type Step<T> = Result<T, Box<Fault>>;

impl<'a> Reader<'a> {
    fn document(&mut self) -> Step<Node> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd => {
                    return Err(self.fault(
                        self.place(span),
                        "the file is empty".into(),
                        Some("`incline init` writes a starter inventory".into()),
                    ));
                }
                event => {
                    let node = self.node(event, span, 0)?;
                    self.only_document()?;
                    return Ok(node);
                }
            }
        }
    }

    fn only_document(&mut self) -> Step<()> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(()),
                _ => {
                    let place = self.place(span);
                    return Err(self.fault(
                        place,
                        "a second document begins here".into(),
                        Some("one file is one site: put the other document into a file of its own".into()),
                    ));
                }
            }
        }
    }

    fn next(&mut self) -> Step<(Event<'a>, Span)> {
        match self.parser.next() {
            Some(Ok(pair)) => Ok(pair),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Err(self.fault(Place::default(), "the text ends too early".into(), None)),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Step<Node> {
        let place = self.place(span);
        if depth > MAX_DEPTH {
            return Err(self.fault(place, format!("lists and maps are nested more than {MAX_DEPTH} deep"), None));
        }
        let kind = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(place, anchor, tag.is_some());
                Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_properties(place, anchor, tag.is_some());
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break Kind::List(items);
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_properties(place, anchor, tag.is_some());
                self.map(depth)?
            }
            Event::Alias(_) => {
                self.push(
                    place,
                    "an alias (`*name`) is not allowed in an inventory",
                    "write the value out: every site is whole by itself",
                );
                Kind::Scalar { text: String::new(), plain: true }
            }
            other => return Err(self.fault(place, format!("unexpected {other:?}"), None)),
        };
        Ok(Node { place, kind })
    }

    fn map(&mut self, depth: usize) -> Step<Kind> {
        let mut entries: Vec<(String, Place, Node)> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Kind::Map(entries));
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let Kind::Scalar { text, .. } = key.kind else {
                self.push(
                    key.place,
                    "a key must be plain text",
                    "a line that begins with `?`, `[` or `{` before a colon makes a list or map the key",
                );
                continue;
            };
            if text == "<<" {
                self.push(
                    key.place,
                    "a merge key (`<<`) is not allowed in an inventory",
                    "write the values out: every site is whole by itself",
                );
                continue;
            }
            if let Some(line) = seen.insert(text.clone(), key.place.line) {
                self.push(
                    key.place,
                    &format!("the key `{text}` stands twice; it stood first on line {line}"),
                    "keep one of the two",
                );
                continue;
            }
            entries.push((text, key.place, value));
        }
    }

    fn refuse_properties(&mut self, place: Place, anchor: usize, tag: bool) {
        if anchor != 0 {
            self.push(
                place,
                "an anchor (`&name`) is not allowed in an inventory",
                "write the value out: every site is whole by itself",
            );
        }
        if tag {
            self.push(
                place,
                "a tag (`!name`) is not allowed in an inventory",
                "remove it; quote the value if it should be text",
            );
        }
    }

    fn push(&mut self, place: Place, cause: &str, hint: &str) {
        // A file of a million anchors is answered by the first hundred.
        if self.faults.len() < 100 {
            let fault = *self.fault(place, cause.to_owned(), Some(hint.to_owned()));
            self.faults.push(fault);
        }
    }

    fn place(&self, span: Span) -> Place {
        let start = span.start.byte_offset().unwrap_or_else(|| self.byte_offset(span.start.index()));
        let end = span.end.byte_offset().unwrap_or_else(|| self.byte_offset(span.end.index()));
        Place {
            offset: start,
            length: end.saturating_sub(start),
            line: span.start.line(),
            column: span.start.col() + 1,
        }
    }

    fn byte_offset(&self, characters: usize) -> usize {
        self.text.char_indices().nth(characters).map_or(self.text.len(), |(offset, _)| offset)
    }

    fn fault(&self, place: Place, cause: String, hint: Option<String>) -> Box<Fault> {
        Box::new(Fault { file: self.file.to_owned(), place: Some(place), path: String::new(), cause, hint })
    }

    fn syntax(&self, error: &serde_yaml::granit_parser::ScanError) -> Box<Fault> {
        let marker = error.marker();
        let offset = marker.byte_offset().unwrap_or_else(|| self.byte_offset(marker.index()));
        let mut place =
            Place { offset: offset.min(self.text.len()), length: 0, line: marker.line(), column: marker.col() + 1 };
        let mut hint =
            "check the indentation, and quote text that holds `: `, ` #`, or begins with one of `[]{}&*!|>'\"%@`";
        // The scanner's complaint about a tab is a line or two off: show the tab itself.
        let mut start = 0;
        for (index, line) in self.text.split_inclusive('\n').enumerate() {
            let number = index + 1;
            let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
            if number.abs_diff(marker.line()) <= 2
                && number >= marker.line()
                && let Some(tab) = line[..indent].find('\t')
            {
                place = Place { offset: start + tab, length: 1, line: number, column: tab + 1 };
                hint = "YAML is indented with spaces: replace the tab";
                break;
            }
            start += line.len();
        }
        self.fault(place, format!("this is not YAML: {}", error.info()), Some(hint.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    /// The text that a path's place covers.
    fn covered(text: &str, path: &Path) -> String {
        let place = parse("x.yaml", text).unwrap().place_of(path);
        text[place.offset..place.offset + place.length].to_owned()
    }

    #[test]
    fn every_value_knows_its_place() {
        let text = "név: é\nlist:\n  - {a: \"q\\\"x\", b: 12}\n  - last # comment\nmap:\n  deep: 'x'\n";
        let root = Path::root();
        assert_eq!(covered(text, &root.at("név")), "é");
        assert_eq!(covered(text, &root.at("list").at(0).at("a")), "\"q\\\"x\"");
        assert_eq!(covered(text, &root.at("list").at(0).at("b")), "12");
        assert_eq!(covered(text, &root.at("list").at(1)), "last");
        // A map is shown by its key, and what was never typed by the nearest value above it.
        assert_eq!(covered(text, &root.at("map")), "map");
        assert_eq!(covered(text, &root.at("map").at("missing").at("more")), "map");
        let place = parse("x.yaml", text).unwrap().place_of(&root.at("map").at("deep"));
        assert_eq!((place.line, place.column), (6, 9));
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let text =
            "[~, null, '', true, TRUE, yes, 12, -3, 0x1f, 0o17, 1.5, 1e3, '1', 1.36.3, 0123, .5, +1, 1_000, 12h]";
        let expected = serde_json::json!([
            null, null, "", true, true, "yes", 12, -3, 31, 15, 1.5, 1000.0, "1", "1.36.3", 123, 0.5, 1, "1_000", "12h"
        ]);
        assert_eq!(parse("x.yaml", text).unwrap().value(), expected);
    }

    #[test]
    fn all_slips_of_a_file_are_told_at_once() {
        let text = "a: &x 1\nb: *x\na: 2\n<<: {c: 1}\nd: !t 3\n? [e]\n: 4\n";
        let faults = parse("x.yaml", text).unwrap_err();
        let told: Vec<(usize, &str)> =
            faults.iter().map(|f| (f.place.unwrap().line, f.cause.split(' ').nth(1).unwrap())).collect();
        assert_eq!(told, [(1, "anchor"), (2, "alias"), (3, "key"), (4, "merge"), (5, "tag"), (6, "key")]);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse("x.yaml", &deep(MAX_DEPTH)).is_ok());
        assert!(parse("x.yaml", &deep(MAX_DEPTH + 1)).is_err());
        assert!(parse("x.yaml", &deep(100_000)).is_err());
    }
}
