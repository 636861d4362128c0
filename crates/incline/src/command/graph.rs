//! `incline graph`
use crate::arguments::{Common, Graph, GraphFormat};
use crate::error::{Exit, Failure};
use crate::{estate, view};

pub(crate) fn run(common: &Common, options: &Graph) -> Result<Exit, Failure> {
    let estate = estate::read(common)?.validate()?;
    let names: Vec<String> = options.site.iter().cloned().collect();
    let sites = estate::select(&estate, &names)?;
    let text = match options.format {
        GraphFormat::Svg => view::svg::draw(&estate, &sites),
        GraphFormat::Dot => view::dot::draw(&estate, &sites),
    };
    view::say(&text)?;
    Ok(Exit::Done)
}
