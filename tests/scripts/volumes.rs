//! The member's volume on real loop devices: formatted, mounted, made larger while in use and at rest.
use super::*;

/// A loop device, which goes with its test.
struct Loop(String);

impl Loop {
    fn over(file: &Path) -> Self {
        let made = Command::new("losetup").args(["--find", "--show"]).arg(file).output().unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        Self(stdout(&made).trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test; root"]
fn a_volume_that_grows_grows_its_filesystem() {
    let (endpoint, _emulator) = emulator();
    let node = Node::new(&endpoint);
    let attached = Attached::new(&node, &[("incline:site", "lakeside-prod"), ("incline:member", "a")]);
    let file = node.folder.path().join("volume");
    let make_larger =
        |mib: u64| std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(mib << 20).unwrap();
    std::fs::File::create(&file).unwrap();
    make_larger(64);
    let device = Loop::over(&file);
    std::fs::remove_file(&attached.device).unwrap();
    std::os::unix::fs::symlink(&device.0, &attached.device).unwrap();
    let metadata = metadata_service_for(&attached.machine);
    let root_folder = attached.root.display().to_string();
    // In a namespace of mounts of its own; the space of the filesystem in MiB comes after each start.
    let boot = |more: &str| {
        let script = root().join("ignition/bin/etcd-volume").display().to_string();
        let size = format!("df --block-size=1M --output=size '{root_folder}/var/lib/etcd' | tail -n1");
        let output = Command::new("timeout")
            .args(["60", "unshare", "--mount", "--propagation", "private", "bash", "-ec"])
            .arg(format!("'{script}'; {size}; {}", more.replace("GROW", &format!("'{script}' grow"))))
            .env_clear()
            .env(
                "PATH",
                format!(
                    "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    node.folder.path().display()
                ),
            )
            .envs([("INCLINE_REGION", "us-east-1"), ("INCLINE_SITE", "lakeside-prod"), ("INCLINE_MEMBER", "a")])
            .envs([("INCLINE_ENDPOINT", endpoint.as_str()), ("INCLINE_IMDS", metadata.as_str())])
            .envs([("INCLINE_ROOT", root_folder.as_str()), ("INCLINE_PATIENCE", "5")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
        stdout(&output).trim().parse::<u64>().unwrap()
    };
    let kept = format!("{root_folder}/var/lib/etcd/kept");
    // A new member: formatted, and as large as its volume.
    assert!((48..64).contains(&boot(&format!("echo data >'{kept}'"))));
    // The volume is made larger, and the next machine of this member starts.
    make_larger(256);
    assert!(Command::new("losetup").args(["--set-capacity", &device.0]).status().unwrap().success());
    let size = boot(&format!("grep -qx data '{kept}'"));
    assert!((192..256).contains(&size), "{size}");
    // Or it is made larger while etcd writes to it. ext4 grows then for who has CAP_SYS_RESOURCE, which not every machine that runs
    // tests gives away: here it is shown that it is asked to, once there is room and not before.
    stand_ins(node.folder.path(), &[("resize2fs", "")]);
    let asked = || calls(node.folder.path()).matches(&format!("resize2fs {}", device.0)).count();
    boot("GROW");
    assert_eq!(asked(), 0, "{}", calls(node.folder.path()));
    boot(&format!("truncate --size=512M '{}'; losetup --set-capacity {}; GROW", file.display(), device.0));
    assert_eq!(asked(), 1, "{}", calls(node.folder.path()));
}
