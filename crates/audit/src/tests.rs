//! A trail as it is written, and every way of spoiling it that a file can be spoilt by.
use crate::chain::sealed;
use crate::record::{Access, What};
use crate::{Head, Person, Trail, check, pieces};
use incline_model::event::{Event, Outcome};

fn began(site: &str) -> What {
    What::Began {
        command: "apply".to_owned(),
        who: Person::here(),
        sites: vec![Access { site: site.to_owned(), place: "here".to_owned(), ..Access::default() }],
        plan: None,
        doing: vec!["what it does".to_owned()],
        approvals: Vec::new(),
    }
}

/// A trail of some runs, its file's bytes and its end.
fn written(runs: usize) -> (tempfile::TempDir, Trail, Vec<u8>, Head) {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::at(folder.path().join("deep/audit.jsonl"));
    let mut head = None;
    for number in 0..runs {
        let run = trail.append(None, began(&format!("site-{}", number % 3))).unwrap().sequence;
        for step in 0..number % 4 {
            let event = Event::Finished { target: format!("stack-{step}"), outcome: Outcome::Done };
            trail.append(Some(run), What::Step { event }).unwrap();
        }
        head = Some(trail.append(Some(run), What::Ended { success: true, why: None }).unwrap());
    }
    let text = trail.read().unwrap();
    (folder, trail, text, head.unwrap())
}

#[test]
fn what_is_written_is_whole() {
    let (_folder, trail, text, head) = written(12);
    let checked = check(&text, true);
    assert!(checked.flaws.is_empty(), "{:?}", checked.flaws);
    assert_eq!(checked.head().as_ref(), Some(&head));
    assert_eq!(checked.compare(&head), None);
    let runs = checked.records.iter().filter(|(record, _)| record.run == Some(2)).count();
    assert_eq!((checked.records[0].0.what.clone(), runs), (What::Opened, 2));
    // Nobody else reads it.
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(trail.path()).unwrap().mode() & 0o777, 0o600);
    let piece = pieces(&text, 5..=9);
    let part = check(&piece, false);
    assert!(part.flaws.is_empty() && part.records.len() == 5, "{:?}", part.flaws);
    assert_eq!(check(&piece, true).flaws.len(), 1, "a piece is no whole trail");
}

#[test]
fn several_may_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let trail = Trail::at(&path);
            scope.spawn(move || {
                (0..25).for_each(|_| drop(trail.append(None, began(&format!("site-{number}"))).unwrap()))
            });
        }
    });
    let checked = check(&std::fs::read(&path).unwrap(), true);
    assert!(checked.flaws.is_empty() && checked.records.len() == 201, "{:?}", checked.flaws);
}

#[test]
fn a_record_that_a_crash_cut_off_is_taken_away_and_told() {
    let (_folder, trail, text, _) = written(3);
    let last = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in [last + 1, last + 40, text.len() - 1] {
        std::fs::write(trail.path(), &text[..cut]).unwrap();
        let flaws = check(&trail.read().unwrap(), true).flaws;
        assert!(flaws.len() == 1 && flaws[0].why == "it is cut off", "{flaws:?}");
        trail.append(None, began("site-0")).unwrap();
        let checked = check(&trail.read().unwrap(), true);
        assert!(checked.flaws.is_empty(), "{:?}", checked.flaws);
        let mended = &checked.records[checked.records.len() - 2].0.what;
        assert_eq!(*mended, What::Mended { bytes: (cut - last) as u64 });
    }
    // Nothing is added to a record that somebody changed.
    let changed = String::from_utf8(text).unwrap().replace("\"success\":true", "\"success\":false");
    std::fs::write(trail.path(), &changed).unwrap();
    assert!(trail.append(None, began("site-0")).unwrap_err().to_string().contains("its digest is another one"));
    assert_eq!(std::fs::read_to_string(trail.path()).unwrap(), changed);
}

/// Numbers that look like chance and are the same every time (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// The trail written anew from a line on, with another content there: every digest is right again.
fn forged(lines: &[&str], from: usize) -> String {
    let mut text: String = lines[..from].concat();
    let mut previous = None;
    for (index, line) in lines.iter().enumerate().skip(from) {
        let (mut record, _) = crate::chain::opened(line.trim_end()).unwrap();
        if index == from {
            record.time = "2020-01-01T00:00:00.000Z".to_owned();
        }
        record.previous = previous.unwrap_or(record.previous);
        let (line, digest) = sealed(&record).unwrap();
        text.push_str(&line);
        text.push('\n');
        previous = Some(digest);
    }
    text
}

#[test]
fn a_thousand_edits_cuts_and_swaps_are_all_noticed() {
    let (_folder, _, text, head) = written(12);
    let whole = String::from_utf8(text.clone()).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let mut chance = Chance(0x1234_5678_9abc_def1);
    let mut by_kind = [[0; 2]; 10];
    let mut tried = 0;
    while tried < 1000 {
        let (at, line, other) = (chance.below(text.len()), chance.below(lines.len()), chance.below(lines.len()));
        let kind = chance.below(10);
        let mut bytes = text.clone();
        let mut cut: Vec<&str> = lines.clone();
        let changed = match kind {
            0 => {
                bytes[at] ^= 1 << chance.below(8);
                bytes
            }
            1 => {
                bytes.remove(at);
                bytes
            }
            2 => {
                bytes.insert(at, b" 0\"x\n{"[chance.below(6)]);
                bytes
            }
            3 => {
                cut.remove(line);
                cut.concat().into_bytes()
            }
            4 => {
                cut.insert(other, lines[line]);
                cut.concat().into_bytes()
            }
            5 => {
                cut.swap(line, other);
                cut.concat().into_bytes()
            }
            6 => bytes[..at].to_vec(),
            7 => lines[..line].concat().into_bytes(),
            8 => lines[line..].concat().into_bytes(),
            _ => forged(&lines, line).into_bytes(),
        };
        if changed == text {
            continue;
        }
        tried += 1;
        let checked = check(&changed, true);
        let (by_itself, by_copy) = (!checked.flaws.is_empty(), checked.compare(&head).is_some());
        by_kind[kind][usize::from(by_itself)] += 1;
        assert!(by_itself || by_copy, "nobody noticed kind {kind} at byte {at}, line {line}, {other}");
    }
    // What a chain alone cannot know, and a copy of its end does: whole lines cut off its end, and all of it written anew.
    let unseen: Vec<usize> = (0..10).filter(|kind| by_kind[*kind][0] > 0).collect();
    assert!(unseen.iter().all(|kind| [3, 6, 7, 9].contains(kind)), "{by_kind:?}");
    assert!(by_kind.iter().all(|seen| seen[0] + seen[1] > 50), "{by_kind:?}");
}
