//! `incline completions` and `incline man`
use crate::arguments::{Arguments, Completions, Man};
use crate::error::{Exit, Failure};
use crate::view;
use clap::CommandFactory;

pub(crate) fn completions(options: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "incline", &mut script);
    view::say(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

pub(crate) fn man(options: &Man) -> Result<Exit, Failure> {
    std::fs::create_dir_all(&options.out).map_err(Failure::file("make the folder", &options.out))?;
    clap_mangen::generate_to(Arguments::command(), &options.out)
        .map_err(Failure::file("write man pages into", &options.out))?;
    Ok(Exit::Done)
}
