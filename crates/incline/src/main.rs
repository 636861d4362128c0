//! The command `incline`: arguments, one file a command, views, hints, exit codes. No logic lives here, and nobody else
//! speaks to the user.
mod arguments;
mod command;
mod error;
mod estate;
mod view;

use crate::arguments::{Arguments, Command};
use crate::error::{Exit, Failure};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are asked for and go to stdout; all else is wrong usage.
            let wrong = error.use_stderr();
            let _ = error.print();
            return if wrong { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    match run(&arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => view::failure::show(&failure).into(),
    }
}

fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Init(options) => command::init::run(common, options),
        Command::Check(options) => command::check::run(common, options),
        Command::Plan(options) => command::plan::run(common, options),
        Command::Render(options) => command::render::run(common, options),
        Command::Graph(options) => command::graph::run(common, options),
        Command::Lock(options) => command::lock::run(common, options),
        Command::Schema(options) => command::schema::run(options),
        Command::Completions(options) => command::shell::completions(options),
        Command::Man(options) => command::shell::man(options),
    }
}
