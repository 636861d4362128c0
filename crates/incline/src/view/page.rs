//! Pages for browsers: one file each, that asks nobody for anything, reads well on a phone and on paper, in light and in dark.
mod drift;
mod evidence;

pub(crate) use drift::page as drift;
pub(crate) use evidence::page as evidence;

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page/style.css");

/// A page. What a script adds must be there without it, too.
fn whole(title: &str, body: &Markup, script: Option<&str>) -> String {
    // Neither a script nor anything else is fetched from anywhere, whatever a name in the report may say.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                @if let Some(script) = script {
                    script { (PreEscaped(script)) }
                }
            }
        }
    };
    page.into_string() + "\n"
}

/// One of the numbers at a page's head; nought is quiet.
fn number(name: &str, number: usize, class: &str) -> Markup {
    html! { div class=(if number == 0 { "quiet" } else { class }) { dt { (name) } dd { (number) } } }
}

/// A moment as people read it: `2026-11-24 03:12 UTC`.
fn moment(time: &str) -> String {
    match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => time.to_owned(),
    }
}
