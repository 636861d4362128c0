//! The units of AWS nodes, as rendered, under a real systemd: what fails at first and works later holds nothing back.
use super::*;
use std::time::{Duration, Instant};

/// A machine with the rendered files and units of a role. The scripts named are replaced by shell text.
fn node(role: &str, scripts: &[(&str, &str)]) -> Lab {
    let lab = Lab::up("systemd", 1);
    let rendered = crate::peers::rendered();
    let (_, configuration) = crate::peers::node_configurations(rendered.path())
        .into_iter()
        .find(|(name, path)| name == role && path.to_string_lossy().contains("lakeside-prod"))
        .unwrap();
    let applied = crate::peers::apply(&configuration);
    for folder in ["etc/incline", "etc/systemd/system", "opt/incline/bin"] {
        let target = lab.file(1, &format!("/{folder}"));
        std::fs::create_dir_all(&target).unwrap();
        let copied = Command::new("cp").arg("-a").arg(applied.path().join(folder).join(".")).arg(target).output();
        succeeded(&copied.unwrap(), folder);
    }
    let write = |path: &str, text: &str| {
        std::fs::write(lab.file(1, path), text).unwrap();
        executable(&lab.file(1, path));
    };
    for (path, text) in scripts {
        write(path, &format!("#!/bin/bash\n{FAILS}{text}\n"));
    }
    // Its first start fails, as that of everything here.
    write(
        "/etc/systemd/system/containerd.service",
        "[Service]\nExecStartPre=/bin/sh -c 'test -e /run/tried || { touch /run/tried; exit 1; }'\n\
         ExecStart=/bin/sleep infinity\n\
         Restart=always\nRestartSec=2\n",
    );
    write("/opt/incline/bin/registry-login", "#!/bin/sh\nprintf AWS:password\n");
    lab.sh(1, "systemctl daemon-reload");
    lab
}

/// Fails so many times, and no more.
const FAILS: &str = r#"
fails() { # name, times
  count=$(cat "/run/failed-$1" 2>/dev/null || echo 0)
  [ "$count" -lt "$2" ] || return 0
  echo $((count + 1)) >"/run/failed-$1"
  exit 1
}
"#;

/// Waits for a file on the machine, and gives what is in it.
fn appears(lab: &Lab, path: &str) -> String {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let output = lab.ssh(1, &format!("cat {path}"));
        if output.status.success() {
            return stdout(&output);
        }
        let state = || {
            lab.sh(1, "systemctl list-units --all 'incline-*' 'containerd*'; journalctl -n 60 --no-pager -o cat; true")
        };
        assert!(Instant::now() < end, "{path} does not appear:\n{}", state());
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
#[ignore = "needs the testbed"]
fn a_worker_joins_after_pulls_that_failed() {
    let lab = node(
        "pool-general",
        &[
            ("/usr/local/bin/crictl", "case \"$*\" in *pull*) fails pull 2 ;; esac; echo \"$*\" >>/run/pulled"),
            ("/usr/local/bin/ctr", ""),
            ("/opt/incline/bin/secret-get", "fails secret 1; echo discovery"),
            ("/usr/local/bin/kubeadm", "wc -l </run/pulled >/run/joined"),
        ],
    );
    lab.sh(1, "systemctl start --no-block incline-images.service incline-worker.service");
    let pulled: usize = appears(&lab, "/run/joined").trim().parse().unwrap();
    let images = std::fs::read_to_string(lab.file(1, "/etc/incline/images")).unwrap();
    assert_eq!(pulled, images.lines().count(), "it joins when all images are there, and not before");
    assert_eq!(lab.sh(1, "cat /run/failed-pull /run/failed-secret"), "2\n1\n");
    lab.sh(1, "until systemctl is-active --quiet incline-worker.service; do sleep 0.2; done");
}

#[test]
#[ignore = "needs the testbed"]
fn a_member_comes_up_after_a_volume_and_pulls_that_failed() {
    let lab = node(
        "control-plane-a",
        &[
            ("/usr/local/bin/crictl", "case \"$*\" in *pull*) fails pull 2 ;; esac"),
            ("/usr/local/bin/ctr", ""),
            (
                "/opt/incline/bin/etcd-volume",
                "fails volume 2; mkdir -p /var/lib/kubelet/pki; mount -t tmpfs tmpfs /var/lib/kubelet/pki",
            ),
            (
                "/opt/incline/bin/cluster-pki",
                "mountpoint -q /var/lib/kubelet/pki && [ -e /run/incline/images ] && touch /run/keys",
            ),
            ("/opt/incline/bin/kubernetes-up", "[ -e /run/keys ] || exit 1; fails up 1; echo up >/run/up"),
            // What the timer starts must go on being started, although it comes too early at first.
            ("/opt/incline/bin/join-token", "[ -e /run/up ] || exit 1; echo token >/run/token"),
        ],
    );
    lab.sh(
        1,
        "systemctl start --no-block incline-volume.service incline-images.service incline-control-plane.service \
         incline-join-token.timer",
    );
    assert_eq!(appears(&lab, "/run/up"), "up\n");
    assert_eq!(appears(&lab, "/run/token"), "token\n");
    assert_eq!(lab.sh(1, "cat /run/failed-volume /run/failed-pull /run/failed-up"), "2\n2\n1\n");
}
