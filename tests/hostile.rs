//! Hostile and broken input: never a panic, never a way out of the quotes.
use crate::support::*;
use incline_model::estate::Estate;
use incline_model::inventory::{self, Inventory, Parser};
use incline_model::lock::Lock;
use incline_model::scalar;
use incline_model::site::Site;
use incline_render::Templates;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The same numbers in every run (xorshift64*): what failed once can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }
}

const HOSTILE: &[&str] = &[
    "\"",
    "'",
    "`",
    "\\",
    "$(reboot)",
    "; rm -rf /",
    "a\nb: c",
    "\"}, {\"evil\": true",
    "{{ 1 }}",
    "{% raw %}",
    "${AWS::AccountId}",
    "{{resolve:ssm:x}}",
    "<script>",
    "%n%s",
    "\u{0}",
    "\u{7}",
    "\u{202e}",
    "\u{2028}",
    "😀",
    "' && echo",
    "- x",
    "# c",
    ": ",
    "!Ref x",
    "&a",
    "*a",
    "|",
    "../../etc/passwd",
    "",
    " ",
    "-rf",
    "1e309\"",
    "\r\nX: y",
    "data:;base64,",
    "\u{feff}",
];

/// Validates and renders an estate; what is refused gives its first fault.
fn everything(parsed: &[Inventory], lock: &Lock, templates: &Templates) -> Result<BTreeMap<String, Value>, String> {
    let estate = Estate::new(parsed, Some(lock)).map_err(|faults| faults[0].to_string())?;
    let mut stacks = BTreeMap::new();
    for site in estate.sites() {
        if let Site::Aws(site) = site {
            let desired = incline_render::render(site, &estate, templates).unwrap();
            for stack in desired.stacks {
                stacks.insert(stack.name, stack.template);
            }
            for artifact in desired.artifacts {
                ignition_config::Config::parse_bytes(artifact.content.as_bytes());
                stacks.insert(artifact.role, serde_json::from_str(&artifact.content).unwrap());
            }
        }
    }
    Ok(stacks)
}

trait ParseBytes {
    fn parse_bytes(bytes: &[u8]);
}

impl ParseBytes for ignition_config::Config {
    /// What we render must decode into CoreOS's own types of the spec, without a warning.
    fn parse_bytes(bytes: &[u8]) {
        let (_, warnings) = Self::parse_slice(bytes).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

/// The paths of all scalars of a tree.
fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, below)| {
            leaves(below, format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found)
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, below)| leaves(below, format!("{path}/{index}"), found))
        }
        _ => found.push(path),
    }
}

/// A tree's shape: all paths to its leaves.
fn shape(value: &Value) -> BTreeSet<String> {
    let mut found = Vec::new();
    leaves(value, String::new(), &mut found);
    found.into_iter().collect()
}

#[test]
fn no_hostile_string_breaks_out_of_its_place() {
    let (lock, templates) = (lock(), templates());
    let parser = Parser::default();
    let clean: Vec<Inventory> =
        sources().into_iter().map(|(name, text)| parser.parse(&name, text.as_bytes()).unwrap()).collect();
    let baseline = everything(&clean, &lock, &templates).unwrap();
    let (mut refused, mut accepted) = (0, 0);
    for index in 0..clean.len() {
        let value = clean[index].node.value();
        let mut paths = Vec::new();
        leaves(&value, String::new(), &mut paths);
        for path in paths {
            if !value.pointer(&path).unwrap().is_string() {
                continue;
            }
            for hostile in HOSTILE {
                let mut changed = value.clone();
                *changed.pointer_mut(&path).unwrap() = Value::String((*hostile).to_owned());
                let Ok(changed) = parser.parse(&clean[index].file, changed.to_string().as_bytes()) else {
                    refused += 1;
                    continue;
                };
                let mut estate = clean.clone();
                estate[index] = changed;
                match everything(&estate, &lock, &templates) {
                    Err(_) => refused += 1,
                    Ok(stacks) => {
                        accepted += 1;
                        // Only a value may have changed, nowhere the structure. (A site or pool of another name, or
                        // one resource more, is no free text: those fields refuse every string above.)
                        for (name, template) in &stacks {
                            let before = baseline
                                .get(name)
                                .unwrap_or_else(|| panic!("{path} = {hostile:?} made a stack {name}"));
                            assert_eq!(
                                shape(before),
                                shape(template),
                                "{path} = {hostile:?} changed the structure of {name}"
                            );
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 5_000 && accepted > 50, "{refused} refused, {accepted} accepted");
}

#[test]
fn five_hundred_mutations_cause_no_panic() {
    let (lock, templates, parser, mut dice) = (lock(), templates(), Parser::default(), Dice(0x0DDB_1A5E_5BAD_5EED));
    let texts = sources();
    let (mut refused, mut accepted) = (0, 0);
    for round in 0..500 {
        let mut texts = texts.clone();
        for _ in 0..=dice.roll(3) {
            let index = dice.roll(texts.len());
            let text = &mut texts[index].1;
            mutate(text, &mut dice);
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let parsed: Result<Vec<Inventory>, _> =
                texts.iter().map(|(name, text)| parser.parse(name, text.as_bytes())).collect();
            let Ok(parsed) = parsed else { return false };
            let Ok(estate) = Estate::new(&parsed, Some(&lock)) else { return false };
            for site in estate.sites() {
                if let Site::Aws(site) = site {
                    incline_render::render(site, &estate, &templates).unwrap();
                }
            }
            true
        }));
        match outcome {
            Ok(true) => accepted += 1,
            Ok(false) => refused += 1,
            Err(_) => panic!("round {round} panicked on:\n{texts:?}"),
        }
    }
    assert!(refused > 250 && accepted > 5, "{refused} refused, {accepted} accepted");
}

/// One slip or attack: a line lost, doubled or moved, a character changed, a value replaced, the file cut.
fn mutate(text: &mut String, dice: &mut Dice) {
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    if lines.is_empty() {
        return;
    }
    let line = dice.roll(lines.len());
    match dice.roll(8) {
        0 => drop(lines.remove(line)),
        1 => lines.insert(line, lines[line].clone()),
        2 => lines[line].insert(0, [' ', '\t', '-'][dice.roll(3)]),
        3 => lines[line] = lines[line].trim_start().to_owned(),
        4 => {
            if let Some((key, _)) = lines[line].clone().split_once(": ") {
                lines[line] = format!("{key}: {}", HOSTILE[dice.roll(HOSTILE.len())]);
            }
        }
        5 => {
            if let Some((key, _)) = lines[line].clone().split_once(": ") {
                lines[line] = format!(
                    "{key}: {}",
                    ["[]", "{}", "null", "-1", "99999999999999999999", "1.5", "[[]]", "yes"][dice.roll(8)]
                );
            }
        }
        6 => lines.truncate(line),
        _ => {
            let characters: Vec<char> = lines[line].chars().collect();
            if !characters.is_empty() {
                let at = dice.roll(characters.len());
                let new = ['0', 'x', '/', '"', '{', '\u{1f}'][dice.roll(6)];
                lines[line] =
                    characters.iter().enumerate().map(|(index, old)| if index == at { new } else { *old }).collect();
            }
        }
    }
    *text = lines.join("\n");
}

#[test]
fn the_shape_check_agrees_with_a_full_validator() {
    let schema = inventory::json_schema();
    let mut options = jsonschema::options().should_validate_formats(true);
    for format in scalar::formats() {
        options = options.with_format(format, move |text: &str| scalar::check_format(format, text).unwrap().is_ok());
    }
    let validator = options.build(&schema).unwrap();
    let (parser, mut dice) = (Parser::default(), Dice(42));
    let (mut valid, mut invalid) = (0, 0);
    for (name, text) in sources() {
        let clean = parser.parse(&name, text.as_bytes()).unwrap().node.value();
        let mut paths = Vec::new();
        leaves(&clean, String::new(), &mut paths);
        for path in paths {
            for _ in 0..4 {
                let mut changed = clean.clone();
                let replacements = [
                    Value::Null,
                    Value::from(true),
                    Value::from(-1),
                    Value::from(7),
                    Value::from(70_000),
                    Value::from(""),
                    Value::from("x-1"),
                    Value::from("10.1.0.0/16"),
                    Value::from("natPerZone"),
                    Value::Array(vec![]),
                    Value::Object(serde_json::Map::new()),
                    Value::from(30_500),
                ];
                *changed.pointer_mut(&path).unwrap() = replacements[dice.roll(replacements.len())].clone();
                let ours = parser.parse(&name, changed.to_string().as_bytes());
                let theirs = validator.is_valid(&changed);
                // Two places are stricter in words than JSON Schema is: the first look at `kind` and at empty files.
                assert_eq!(ours.is_ok(), theirs, "{name}{path}: {:?}\n{:?}", changed.pointer(&path), ours.err());
                if theirs { valid += 1 } else { invalid += 1 }
            }
        }
    }
    assert!(valid > 50 && invalid > 500, "{valid} valid, {invalid} invalid");
}
