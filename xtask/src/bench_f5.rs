//! `cargo xtask bench-f5`: a site of 200 nodes behind a BIG-IP (a double), rendered, planned, applied and looked over, with few and
//! with many virtual servers in one run: how it grows. Numbers are printed, never asserted.
use crate::bench::{Measured, incline, measure, print};
use crate::device::{self, Device};
use crate::{Outcome, cargo, root};
use std::process::Command;

/// How many nodes the site has, and how many virtual servers are in front of them.
const NODES: usize = 200;
const SERVERS: [usize; 2] = [50, 500];

pub(crate) fn run() -> Outcome {
    crate::run(cargo().args(["build", "--release", "--quiet", "-j2", "--package", "incline"]))?;
    println!("{:<34} {:>10} {:>10} {:>11}", "", "seconds", "MB", "servers");
    for servers in SERVERS {
        let work = root().join(format!("target/bench-f5/{servers}"));
        let _ = std::fs::remove_dir_all(&work);
        std::fs::create_dir_all(work.join("inventories")).map_err(|error| error.to_string())?;
        let device = Device::start(&work)?;
        device::site(&work, NODES, servers, device.port)?;
        let ask = |arguments: &[&str]| -> Result<Measured, String> {
            let mut command = Command::new(incline());
            command
                .arg("--inventories")
                .arg(work.join("inventories"))
                .args(arguments)
                .env("F5_PASSWORD", device::PASSWORD);
            let measured = measure(&mut command, 0)?;
            // Nobody answers for the hosts here; the tenants must all be well.
            if measured.stdout.contains("failed") || measured.stdout.contains("! lab/f5:") {
                return Err(format!("incline {}:\n{}", arguments.join(" "), measured.stdout));
            }
            Ok(measured)
        };
        let rendered = work.join("rendered");
        let out = rendered.to_str().ok_or("the folder's name is no text")?;
        print("incline render", &ask(&["render", "--out", out])?, servers);
        print("incline plan, nothing there", &ask(&["plan", "lab"])?, servers);
        print("incline apply", &ask(&["apply", "--yes", "--target", "lab/f5:*"])?, servers);
        print("incline plan, nothing to do", &ask(&["plan", "lab"])?, servers);
        print("incline drift", &ask(&["drift", "lab"])?, servers);
    }
    Ok(())
}
