//! What is asked of a host, and what it answered. Questions of one topic are asked together, so that two hundred files
//! cost one `stat` and one `sha256sum`.
use crate::prelude::*;
use incline_model::quote::shell;

/// A kind of question.
#[derive(Debug)]
pub(crate) struct Topic {
    /// Its name: the function `ask_NAME` of [`Self::program`], and the frames that it answers with.
    pub(crate) name: &'static str,
    /// The function's body. It is given the number of the first question, then the words of all questions, and answers
    /// with `emit NAME INDEX STATUS TEXT`: one frame a question, or one for all.
    pub(crate) program: &'static str,
    /// How one frame for all is taken apart.
    pub(crate) split: Option<Split>,
    /// Whether the second words of all questions stand before the first words of all, in one argument, a line each.
    pub(crate) aside: bool,
}

/// Takes an answer for all questions apart.
pub(crate) type Split = fn(&[Vec<String>], &Answer) -> Vec<Answer>;

/// How many questions are asked at once: their words must fit a command line of 128 KiB on any host.
const AT_ONCE: usize = 100;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The exit status: 0 for yes, 1 for no; see [`Answers::get`] for those that mean that nobody knows.
    pub(crate) status: i32,
    /// What was said.
    pub(crate) text: Vec<u8>,
}

impl Answer {
    pub(crate) fn yes(text: impl Into<Vec<u8>>) -> Self {
        Self { status: 0, text: text.into() }
    }

    pub(crate) fn no() -> Self {
        Self { status: 1, text: Vec::new() }
    }

    pub(crate) fn unknown(why: impl Into<Vec<u8>>) -> Self {
        Self { status: UNKNOWN, text: why.into() }
    }

    pub(crate) fn is_yes(&self) -> bool {
        self.status == 0
    }

    /// The text as text; what is no UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

/// timeout(1): it took too long.
const TIMED_OUT: i32 = 124;
/// The status with which topics say that nobody knows, and why.
pub(crate) const UNKNOWN: i32 = 125;
/// The shell: there is no such command.
const NO_COMMAND: i32 = 127;

/// Questions, each once, by topic.
#[derive(Debug, Default)]
pub struct Asks {
    topics: BTreeMap<&'static str, (&'static Topic, BTreeSet<Vec<String>>)>,
}

impl Asks {
    /// Asks a question.
    pub(crate) fn ask(&mut self, topic: &'static Topic, words: &[&str]) {
        let words = words.iter().map(ToString::to_string).collect();
        self.topics.entry(topic.name).or_insert_with(|| (topic, BTreeSet::new())).1.insert(words);
    }

    /// The shell function `probe`, which asks everything.
    pub(crate) fn program(&self) -> String {
        let mut text = String::new();
        for (topic, _) in self.topics.values() {
            text.push_str(&format!("ask_{}() {{\ni=$1\nshift\n{}\n}}\n", topic.name, topic.program.trim()));
        }
        text.push_str("probe() {\nsums=\nsame=yes\n");
        for (topic, questions) in self.topics.values() {
            let questions: Vec<&Vec<String>> = questions.iter().collect();
            for (chunk, questions) in questions.chunks(AT_ONCE).enumerate() {
                text.push_str(&format!("ask_{} {}", topic.name, chunk * AT_ONCE));
                let mut words: Vec<&str> = Vec::new();
                let aside: String =
                    questions.iter().filter_map(|words| words.get(1)).flat_map(|word| [word, "\n"]).collect();
                if topic.aside {
                    words.push(&aside);
                    words.extend(questions.iter().filter_map(|words| words.first()).map(String::as_str));
                } else {
                    words.extend(questions.iter().flat_map(|words| words.iter()).map(String::as_str));
                }
                for word in words {
                    text.push(' ');
                    text.push_str(&shell(word));
                }
                text.push('\n');
            }
        }
        text.push_str("}\n");
        text
    }

    /// What the frames that came say to each question. A question without a frame stays without an answer.
    pub(crate) fn answers(&self, frames: &[crate::frame::Frame]) -> BTreeMap<(&'static str, Vec<String>), Answer> {
        let mut answers = BTreeMap::new();
        for frame in frames {
            let Some((topic, questions)) = self.topics.get(frame.topic.as_str()) else { continue };
            let questions: Vec<Vec<String>> = questions.iter().skip(frame.index).take(AT_ONCE).cloned().collect();
            let answer = Answer { status: frame.status, text: frame.text.clone() };
            match topic.split {
                Some(split) => {
                    let known = matches!(answer.status, TIMED_OUT | UNKNOWN | NO_COMMAND);
                    let parts = if known {
                        questions.iter().map(|_| answer.clone()).collect()
                    } else {
                        split(&questions, &answer)
                    };
                    for (question, part) in questions.into_iter().zip(parts) {
                        answers.insert((topic.name, question), part);
                    }
                }
                None => {
                    if let Some(question) = questions.into_iter().next() {
                        answers.insert((topic.name, question), answer);
                    }
                }
            }
        }
        answers
    }
}

/// All that a host answered.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    pub(crate) answers: BTreeMap<(&'static str, Vec<String>), Answer>,
    /// The key of keyed digests.
    pub(crate) nonce: String,
}

impl Answers {
    /// The answer to a question, or why there is none.
    pub(crate) fn get(&self, topic: &Topic, words: &[&str]) -> Result<&Answer, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let Some(answer) = self.answers.get(&(topic.name, words)) else {
            return Err("the host gave no answer".to_owned());
        };
        match answer.status {
            TIMED_OUT => Err("it took too long to look".to_owned()),
            UNKNOWN => Err(answer.text()),
            NO_COMMAND => Err(format!("the host cannot say: {} is not on it", answer.text())),
            _ => Ok(answer),
        }
    }

    /// The same, for what a tool says that another item may bring: without the tool, there is nothing yet.
    pub(crate) fn get_if_there(&self, topic: &Topic, words: &[&str]) -> Result<Option<&Answer>, String> {
        let owned: Vec<String> = words.iter().map(ToString::to_string).collect();
        match self.answers.get(&(topic.name, owned)) {
            Some(answer) if answer.status == NO_COMMAND => Ok(None),
            _ => self.get(topic, words).map(Some),
        }
    }
}
