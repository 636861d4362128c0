//! `incline f5`
use crate::arguments::{Common, F5 as Options, OnF5};
use crate::error::{Exit, Failure};
use crate::hosts::{Doing, FORKS, OnPremises};
use crate::live;
use crate::{estate, view};

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let OnF5::Import { site: name, partition } = &options.what;
    let estate = estate::read(common)?.validate()?;
    let site = live::on_premises(&estate, name)?;
    // Its hosts are not asked.
    let onprem = OnPremises::open(&[site], |_| Ok(Vec::new()), FORKS, Doing::Work("f5 import"))?.with_tenants()?;
    let Some(device) = onprem.tenants.devices().next() else {
        return Err(Failure::Usage {
            cause: format!("{name} has no BIG-IP"),
            hint: "write `f5` with `units`, `user`, `password` and `trust` into its inventory first".to_owned(),
        });
    };
    let proposal = device.import(partition).await;
    onprem.tenants.close().await;
    let proposal = proposal.map_err(|error| Failure::Other { cause: error.to_string(), hint: error.hint() })?;
    view::say(&proposal.section)?;
    for note in &proposal.notes {
        anstream::eprintln!("  ! {note}");
    }
    Ok(Exit::Done)
}
