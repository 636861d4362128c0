//! The command `incline`: arguments, one file a command, views, hints, exit codes. No logic lives here, and nobody else
//! speaks to the user.
mod approvals;
mod arguments;
mod audit;
mod carry_out;
mod command;
mod error;
mod estate;
mod evidence;
mod hosts;
mod live;
mod look;
mod pins;
mod planner;
mod report;
mod safeguards;
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
    // For who debugs: `INCLINE_LOG=incline_aws=debug` tells every request.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("INCLINE_LOG"))
        .with_writer(std::io::stderr)
        .init();
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
        Command::Explain(options) => command::explain::run(options),
        Command::Plan(options) => command::plan::run(common, options),
        Command::Approve(options) => command::approve::run(common, options),
        Command::Apply(options) => command::apply::run(common, options),
        Command::Drift(options) => command::drift::run(common, options),
        Command::Audit(options) => command::audit::run(common, options),
        Command::Evidence(options) => command::evidence::run(common, options),
        Command::Doctor(options) => command::doctor::run(common, options),
        Command::Trust(options) => command::trust::run(common, options),
        Command::Nodes(options) => command::nodes::run(common, options),
        Command::Destroy(options) => command::destroy::run(common, options),
        Command::Restore(options) => command::restore::run(common, options),
        Command::IamPolicy(options) => command::iam_policy::run(common, options),
        Command::Render(options) => command::render::run(common, options),
        Command::Graph(options) => command::graph::run(common, options),
        Command::VpnConfig(options) => command::vpn_config::run(common, options),
        Command::F5(options) => command::f5::run(common, options),
        Command::Lock(options) => command::lock::run(common, options),
        Command::Schema(options) => command::schema::run(options),
        Command::Completions(options) => command::shell::completions(options),
        Command::Man(options) => command::shell::man(options),
    }
}
