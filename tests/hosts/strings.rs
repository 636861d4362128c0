//! Ten thousand hostile texts as paths, contents, names, users and values: each arrives byte for byte, or is refused with a
//! fault; nothing is executed.
use super::*;

/// What is woven into texts: quotes, expansions, separators, options, control characters, letters of the world.
const PIECES: [&str; 44] = [
    "'",
    "\"",
    "`touch /pwned`",
    "$(touch /pwned)",
    "${IFS}",
    "; touch /pwned",
    "&& touch /pwned",
    "| touch /pwned",
    "\n",
    "\r",
    "\t",
    "\\",
    "\\'",
    "\\n",
    "-",
    "--",
    "-rf",
    "*",
    "?",
    "[a]",
    "{a,b}",
    "~",
    "#",
    "!",
    "%s",
    "%n",
    "\u{7f}",
    "\u{0}",
    "\u{1b}[31m",
    "é",
    "😀",
    "\u{202e}",
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
    "$",
    "$$",
    "<",
    ">/pwned",
    "(",
    ")",
    "&",
    "@@",
    "word",
];

/// A hostile text, woven of some pieces.
fn text(chance: &mut impl Iterator<Item = u64>) -> String {
    let mut below = |limit: usize| chance.next().unwrap() as usize % limit;
    (0..=below(6)).map(|_| PIECES[below(PIECES.len())]).collect()
}

/// What became of the texts of a kind of place.
#[derive(Default)]
struct Tally {
    taken: usize,
    refused: usize,
}

/// An item with a hostile text in it, and the shell text that prints what arrived of it.
fn item(place: &str, number: usize, text: &str) -> serde_json::Value {
    use serde_json::json;
    match place {
        "content" => json!({ "file": { "path": format!("/h/c{number}"), "content": text } }),
        "path" => json!({ "file": { "path": format!("/h/p{number}/{text}"), "content": "x" } }),
        "target" => json!({ "symlink": { "path": format!("/h/l{number}"), "target": text } }),
        "owner" => json!({ "file": { "path": format!("/h/o{number}"), "content": "x", "owner": text } }),
        "value" => json!({ "sysctl": { "file": format!("h{number}.conf"), "values": { "kernel.domainname": text } } }),
        "unit" => json!({ "unit": { "name": format!("{text}.service"), "masked": true } }),
        "package" => json!({ "package": { "name": text, "version": text } }),
        "option" => {
            json!({ "mount": { "path": format!("/h/m{number}"), "source": "tmpfs", "kind": "tmpfs", "options": [text], "by": "fstab" } })
        }
        "restart" => {
            json!({ "file": { "path": format!("/h/r{number}"), "content": "x" }, "restart": [format!("{text}.service")] })
        }
        _ => json!({ "user": { "name": text, "group": "root" } }),
    }
}

const PLACES: [&str; 10] =
    ["content", "path", "target", "owner", "value", "unit", "package", "option", "restart", "user"];

#[test]
#[ignore = "needs the testbed"]
fn ten_thousand_hostile_texts_arrive_or_are_refused() {
    let lab = Lab::up("debian", 1);
    let mut chance = numbers(3);
    let mut tallies: std::collections::BTreeMap<&str, Tally> = std::collections::BTreeMap::new();
    let (mut items, mut expected) = (Vec::new(), Vec::new());
    items.push(serde_json::json!({ "directory": { "path": "/h" } }));
    for number in 0..10_000 {
        let place = PLACES[number % PLACES.len()];
        let text = text(&mut chance);
        let item = item(place, number, &text);
        let tally = tallies.entry(place).or_default();
        // What becomes an item is one that will be sent; all else is a fault, and nothing is sent.
        if serde_json::from_value::<incline_host::Entry>(item.clone()).is_err() {
            tally.refused += 1;
            continue;
        }
        tally.taken += 1;
        match place {
            "content" | "target" | "path" => {
                if place == "path" {
                    // A slash in a text makes folders of hostile names, too.
                    let path = format!("/h/p{number}/{text}");
                    let (folder, _) = path.rsplit_once('/').unwrap();
                    items.push(serde_json::json!({ "directory": { "path": folder } }));
                }
                items.push(item);
                expected.push((place, number, text));
            }
            // Names that are well formed and of nothing that is there: looked at, and not made.
            _ => {}
        }
    }
    // Sent as they are, in one site, in some runs.
    let (folders, rest): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.get("directory").is_some());
    let all: Vec<serde_json::Value> = folders.into_iter().chain(rest).collect();
    std::fs::write(lab.path("templates/hosts/prepare.yaml"), "{% raw %}[]{% endraw %}").unwrap();
    let text = serde_json::to_string(&all).unwrap();
    // JSON is YAML but for what YAML forbids in it; escapes carry those.
    let text: String = text
        .chars()
        .map(|c| {
            if (' '..='~').contains(&c) {
                c.to_string()
            } else {
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
        })
        .collect();
    lab.items(&text.replace("{%", "{\\u0025").replace("%}", "\\u0025}"));
    for shell in ["dash", "bash"] {
        lab.sh(1, &format!("ln -sf {shell} /bin/sh; rm -rf /h /var/lib/incline"));
        arrive(&lab, &expected);
        println!("{shell}: {} sent, {0} arrived byte for byte", expected.len());
    }
    for (place, tally) in &tallies {
        println!("{place}: {} well formed, {} refused", tally.taken, tally.refused);
    }
    assert!(tallies["content"].refused == 0 && tallies["path"].taken > 300 && tallies["path"].refused > 100);
}

/// Applies what a lab's hosts must have, and looks at what is there, past incline.
fn arrive(lab: &Lab, expected: &[(&str, usize, String)]) {
    let output = lab.incline(&["apply", "--yes"]);
    let report = stdout(&output);
    let last: Vec<&str> = report.lines().rev().take(12).collect();
    assert!(output.status.success(), "{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
    let mut wrong = Vec::new();
    for (place, number, text) in expected {
        let right = match *place {
            "content" => {
                std::fs::read(lab.file(1, &format!("/h/c{number}"))).is_ok_and(|bytes| bytes == text.as_bytes())
            }
            "path" => std::fs::read_to_string(lab.file(1, &format!("/h/p{number}/{text}")))
                .is_ok_and(|content| content == "x"),
            _ => std::fs::read_link(lab.file(1, &format!("/h/l{number}")))
                .is_ok_and(|target| target.to_str() == Some(text)),
        };
        if !right {
            wrong.push(format!("{place} {number}: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} did not arrive: {}", wrong.len(), expected.len(), wrong.join("\n"));
    assert!(lab.is_settled());
    let found = Command::new("find")
        .arg(lab.path("1/upper"))
        .args(["-name", "pwned*", "-not", "-path", "*/h/*"])
        .output()
        .unwrap();
    assert!(found.stdout.is_empty(), "executed: {}", stdout(&found));
}

/// Names that are well formed, and that no host has: they are told as what they are, and nothing else happens.
#[test]
#[ignore = "needs the testbed"]
fn well_formed_names_of_nothing_fail_with_their_names() {
    let lab = Lab::up("systemd", 1);
    let mut tried = 0;
    for (items, words) in [
        (
            serde_json::json!([{ "package": { "name": "no-such-thing", "version": "1:2.0~rc1+b1" } }]),
            "package no-such-thing",
        ),
        (serde_json::json!([{ "file": { "path": "/etc/x", "content": "x", "owner": "nobody-here" } }]), "file /etc/x"),
        (
            serde_json::json!([{ "unit": { "name": "no-such-thing@a\\x2db.service", "running": true } }]),
            "unit no-such-thing@a",
        ),
        (
            serde_json::json!([{ "sysctl": { "file": "a.conf", "values": { "kernel.no_such_thing": "$(reboot)" } } }]),
            "the kernel has no parameter kernel.no_such_thing",
        ),
        (
            serde_json::json!([{ "modules": { "file": "a.conf", "names": ["no_such_thing"] } }]),
            "modules /etc/modules-load.d/a.conf",
        ),
        (serde_json::json!([{ "user": { "name": "somebody", "group": "nothing" } }]), "user somebody"),
    ] {
        lab.items(&items.to_string());
        let output = lab.incline(&["apply", "--yes"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stdout(&output).contains(words), "{words}: {}", stdout(&output));
        tried += 1;
    }
    println!("{tried} names of nothing, all told");
}
