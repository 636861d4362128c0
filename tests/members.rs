//! A control-plane member in AWS whose machine was replaced: a new root disk with the machine's own version and
//! settings, the old volume, and the real kubeadm and kubelet. Stand-ins record what would need a living API.
use crate::peers::{apply, node_configurations, rendered};
use crate::support::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The member's volume, and what Ignition writes to each root disk that it meets.
struct Member {
    folder: tempfile::TempDir,
    disk: tempfile::TempDir,
}

/// Runs shell text on a machine of its own: this system with a temporary root disk, and the member's volume.
/// Arguments: the folder of the test, what Ignition wrote, the programs of Kubernetes, the text.
const MACHINE: &str = r#"
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1/machine"
cd "$1/machine"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount --rbind /dev root/dev
mount -t tmpfs tmpfs root/run
cp -a "$2/etc/incline" "$2/etc/systemd" root/etc/
mkdir -p root/opt/incline
cp -a "$2/opt/incline/bin" root/opt/incline/
cp -a "$1/stand-ins/." root/usr/local/bin/
ln -sf "$3/kubelet" root/usr/bin/kubelet
for pair in etcd:/var/lib/etcd kubernetes:/etc/kubernetes kubelet-pki:/var/lib/kubelet/pki; do
  mkdir -p "$1/volume/${pair%%:*}" "root${pair#*:}"
  mount --bind "$1/volume/${pair%%:*}" "root${pair#*:}"
done
exec chroot root /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root KUBERNETES="$3" \
  INCLINE_API=api.prod.lakeside.internal INCLINE_NODE=lakeside-prod-control-plane-a INCLINE_LEADER=no INCLINE_WAIT=1 \
  timeout 120 /bin/bash -euc "$4"
"#;

/// The volume as a member leaves it that kubeadm has made: everything but a life of its own.
const MADE: &str = r#"
config=/etc/incline/kubeadm/init.yaml
sed -i "s/^kubernetesVersion: .*/kubernetesVersion: $VERSION/" "$config"
sed -i "s/^certificateValidityPeriod: .*/certificateValidityPeriod: $VALIDITY/" "$config"
sed -i '/name: audit-log-maxage/{n;s/30/7/;}; /^patches:/,+1d' "$config"
for phase in 'certs all' 'kubeconfig all' 'etcd local' 'control-plane all'; do
  "$KUBERNETES/kubeadm" init phase $phase --config "$config"
done
mkdir -p /var/lib/etcd/data/member/wal
echo data >/var/lib/etcd/data/member/wal/0
"#;

/// The folder of the programs of the pinned version.
fn pinned() -> PathBuf {
    testbed("kubernetes/bin").canonicalize().unwrap()
}

/// The folder of the programs of the minor version before, and that version.
fn before() -> (PathBuf, String) {
    (programs_before(), format!("v{}", VERSIONS[1]))
}

const PINNED: &str = "v1.36.3";

impl Member {
    /// A member that kubeadm of a version made, with certificates that are valid for so long.
    fn made(version: &str, validity: &str) -> Self {
        let rendered = rendered();
        let (_, configuration) = node_configurations(rendered.path())
            .into_iter()
            .find(|(role, path)| role == "control-plane-a" && path.to_string_lossy().contains("lakeside-prod"))
            .unwrap();
        let member = Self { folder: tempfile::tempdir().unwrap(), disk: apply(&configuration) };
        for folder in ["machine", "volume", "stand-ins"] {
            std::fs::create_dir(member.path(folder)).unwrap();
        }
        // What an API would be asked for is written down; everything else is kubeadm's own work.
        member.stand_in(
            "kubeadm",
            "case \"$*\" in upgrade* | *upload-config*) ;; *) exec \"$KUBERNETES/kubeadm\" \"$@\" ;; esac",
        );
        member.stand_in("systemctl", "");
        member.stand_in("curl", "");
        member.stand_in("etcdctl", "");
        member.cluster(version);
        let kubernetes = if version == PINNED { pinned() } else { before().0 };
        member.succeeds(&kubernetes, &MADE.replace("$VERSION", version).replace("$VALIDITY", validity));
        member
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// A program that stands before the real one and writes down how it was called.
    fn stand_in(&self, name: &str, body: &str) {
        let path = self.path("stand-ins").join(name);
        std::fs::write(
            &path,
            format!("#!/bin/bash\n{{ printf '%s ' {name} \"$@\"; echo; }} >>/etc/kubernetes/calls\n{body}\n"),
        )
        .unwrap();
        executable(&path);
    }

    /// The version that the cluster says to be of.
    fn cluster(&self, version: &str) {
        let body = format!(
            "case \"$*\" in *kubeadm-config*) echo 'kubernetesVersion: {version}' ;; *'get node'*) printf True ;; esac"
        );
        self.stand_in("kubectl", &body);
    }

    /// Runs shell text on a new machine that the volume hangs on.
    fn run(&self, kubernetes: &Path, text: &str) -> Output {
        Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "/bin/bash", "-c", MACHINE, "machine"])
            .args([self.folder.path(), self.disk.path(), kubernetes])
            .arg(text)
            .output()
            .unwrap()
    }

    fn succeeds(&self, kubernetes: &Path, text: &str) -> String {
        let output = self.run(kubernetes, text);
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
        stdout(&output) + &stderr(&output)
    }

    /// The member's machine boots, with the pinned version.
    fn boots(&self) -> String {
        self.succeeds(&pinned(), "/opt/incline/bin/kubernetes-up")
    }

    fn kept(&self, file: &str) -> String {
        std::fs::read_to_string(self.path("volume/kubernetes").join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    fn calls(&self) -> String {
        self.kept("calls")
    }

    fn forget_calls(&self) {
        std::fs::write(self.path("volume/kubernetes/calls"), "").unwrap();
    }

    /// The images of the member's static pods, and whether the API server has the machine's settings.
    fn pods(&self) -> (Vec<String>, bool) {
        let images = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map(|pod| {
            let manifest = self.kept(&format!("manifests/{pod}.yaml"));
            let image = manifest.lines().find(|line| line.trim_start().starts_with("image: ")).unwrap();
            image.rsplit(':').next().unwrap().to_owned()
        });
        (images.to_vec(), self.kept("manifests/kube-apiserver.yaml").contains("--audit-log-maxage=30"))
    }

    /// Whether every certificate of the member is valid for so many more days.
    fn certificates_last(&self, days: u32) -> bool {
        let text = format!(
            "cd /etc/kubernetes; shopt -s nullglob
             for file in pki/{{apiserver*,front-proxy-client}}.crt pki/etcd/{{server,peer,healthcheck-client}}.crt; do
               openssl x509 -noout -checkend {seconds} -in $file
             done
             for file in admin super-admin controller-manager scheduler; do
               sed -n 's/^ *client-certificate-data: //p' $file.conf | base64 -d |
                 openssl x509 -noout -checkend {seconds}
             done",
            seconds = days * 86400
        );
        self.run(&pinned(), &text).status.success()
    }

    /// The mark by which static pods start again with new certificates.
    fn marks(&self) -> Vec<String> {
        let mark = |pod: &str| {
            let manifest = self.kept(&format!("manifests/{pod}.yaml"));
            manifest.lines().find(|line| line.contains("incline/certificates")).map(|line| line.trim().to_owned())
        };
        ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"].into_iter().filter_map(mark).collect()
    }
}

#[test]
#[ignore = "needs the testbed"]
fn a_replaced_members_kubelet_has_its_configuration() {
    let member = Member::made(PINNED, "8760h0m0s");
    // The kubelet as its unit starts it. There is no containerd here: it ends at the latest when it looks for it.
    let said = member.succeeds(
        &pinned(),
        r#"/opt/incline/bin/kubernetes-up
           set +u
           command=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/kubelet.service)
           if [ -e /var/lib/kubelet/kubeadm-flags.env ]; then . /var/lib/kubelet/kubeadm-flags.env; fi
           eval "timeout 20 $command" || true
           ls /var/lib/kubelet"#,
    );
    assert!(member.calls().contains("systemctl start kubelet.service"), "{said}");
    assert!(!said.contains("failed to load kubelet config file"), "{said}");
    assert!(said.contains("Kubelet version") || said.contains("cgroup v1"), "the kubelet went on: {said}");
    for file in ["config.yaml", "instance-config.yaml", "kubeadm-flags.env"] {
        assert!(said.lines().any(|line| line == file), "{file}: {said}");
    }
    // Nothing of the member was made again: neither its certificates nor its marks.
    assert!(member.marks().is_empty() && !member.calls().contains("certs renew"), "{}", member.calls());
}

#[test]
#[ignore = "needs the testbed"]
fn certificates_are_renewed_before_a_member_starts() {
    // 20 days left; and expired.
    for validity in ["480h0m0s", "1s"] {
        let member = Member::made(PINNED, validity);
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert!(!member.certificates_last(30));
        let authority = member.kept("pki/ca.crt");
        member.boots();
        assert!(member.certificates_last(360), "{validity}: {}", member.calls());
        assert_eq!(member.kept("pki/ca.crt"), authority);
        let marks = member.marks();
        assert!(marks.len() == 4 && marks.iter().all(|mark| *mark == marks[0]), "{marks:?}");
        assert!(!member.path("volume/kubernetes/incline-renewing").exists());

        // Once is enough.
        let (serving, calls) = (member.kept("pki/apiserver.crt"), member.calls().matches("certs renew").count());
        member.boots();
        assert_eq!(member.kept("pki/apiserver.crt"), serving);
        assert_eq!(member.calls().matches("certs renew").count(), calls);
    }
}

#[test]
#[ignore = "needs the testbed"]
fn an_expired_certificate_of_the_kubelet_is_made_again() {
    let member = Member::made(PINNED, "8760h0m0s");
    member.succeeds(
        &pinned(),
        "cd /var/lib/kubelet/pki
         openssl req -newkey rsa:2048 -nodes -keyout key -out csr -subj /CN=old 2>/dev/null
         openssl x509 -req -in csr -signkey key -days -1 -out crt
         cat crt key >kubelet-client-2020.pem; ln -s kubelet-client-2020.pem kubelet-client-current.pem",
    );
    member.boots();
    let subject = member.succeeds(
        &pinned(),
        "cd /var/lib/kubelet/pki; openssl x509 -in kubelet-client-current.pem -noout -subject -checkend 30000000
         openssl verify -CAfile /etc/kubernetes/pki/ca.crt kubelet-client-current.pem
         grep -c 'PRIVATE KEY' kubelet-client-current.pem
         stat -L -c %a kubelet-client-current.pem",
    );
    for wanted in ["system:nodes", "system:node:lakeside-prod-control-plane-a", ": OK", "600"] {
        assert!(subject.contains(wanted), "{wanted}: {subject}");
    }
}

#[test]
#[ignore = "needs the testbed"]
fn the_timer_waits_for_other_members_until_time_runs_out() {
    let renew = "/opt/incline/bin/renew-certificates running";
    let member = Member::made(PINNED, "480h0m0s");
    member.stand_in("etcdctl", "exit 1");
    let output = member.run(&pinned(), renew);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not every etcd member is healthy"), "{}", stderr(&output));
    assert!(!member.certificates_last(30) && member.marks().is_empty());
    member.stand_in("etcdctl", "");
    member.succeeds(&pinned(), renew);
    assert!(member.certificates_last(360) && member.marks().len() == 4);

    // Five days left.
    let member = Member::made(PINNED, "120h0m0s");
    member.stand_in("etcdctl", "exit 1");
    member.succeeds(&pinned(), renew);
    assert!(member.certificates_last(360));

    // An interrupted renewal is taken up again.
    std::fs::write(member.path("volume/kubernetes/incline-renewing"), "").unwrap();
    member.stand_in("etcdctl", "");
    let mark = member.marks();
    member.succeeds(&pinned(), renew);
    assert!(member.marks().len() == 4 && member.marks() != mark);
}

#[test]
#[ignore = "needs the testbed"]
fn static_pods_come_to_the_machines_version_and_settings() {
    let (_, older) = before();
    let all = |version: &str| vec![version.to_owned(); 3];
    let member = Member::made(&older, "8760h0m0s");
    assert_eq!(member.pods(), (all(&older), false));

    // The first member of a new version upgrades what belongs to the cluster, too.
    member.boots();
    assert_eq!(member.pods(), (all(PINNED), true));
    let calls = member.calls();
    let position = |what: &str| calls.find(what).unwrap_or_else(|| panic!("{what} is not in:\n{calls}"));
    assert!(position("control-plane all") < position("init phase kubelet-start"), "{calls}");
    assert!(position("init phase kubelet-start") < position("upload-config"), "{calls}");
    assert!(position("upload-config") < position(&format!("kubeadm upgrade apply {PINNED} --yes")), "{calls}");
    assert!(!member.path("volume/kubernetes/incline-before").exists(), "nothing is left over");

    // The next one only what is its own.
    let member = Member::made(&older, "8760h0m0s");
    member.cluster(PINNED);
    member.boots();
    assert_eq!(member.pods(), (all(PINNED), true));
    let calls = member.calls();
    assert!(calls.contains("kubeadm upgrade node --config") && !calls.contains("upgrade apply"), "{calls}");
    member.forget_calls();
    member.boots();
    assert!(!member.calls().contains("upgrade"), "a member that is as it must be: {}", member.calls());

    // Settings alone: the API server's manifest is made again, and nothing is upgraded.
    let member = Member::made(PINNED, "8760h0m0s");
    member.boots();
    assert_eq!(member.pods(), (all(PINNED), true));
    assert!(!member.calls().contains("upgrade"), "{}", member.calls());
    // The leader keeps them in the cluster, for those that join.
    assert!(!member.calls().contains("upload-config"));
    member.succeeds(&pinned(), "INCLINE_LEADER=yes /opt/incline/bin/kubernetes-up");
    assert!(member.calls().contains("kubeadm init phase upload-config all"), "{}", member.calls());
}

#[test]
#[ignore = "needs the testbed"]
fn static_pods_take_no_step_back_and_leave_out_no_minor() {
    let (older_programs, older) = before();
    let all = |version: &str| vec![version.to_owned(); 3];
    let boots_older = |member: &Member| {
        let text = format!(
            "sed -i 's/^kubernetesVersion: .*/kubernetesVersion: {older}/' /etc/incline/kubeadm/init.yaml
             /opt/incline/bin/kubernetes-up"
        );
        member.succeeds(&older_programs, &text)
    };

    // A stack that is rolled back after the upgrade has an older kubelet; the API server stays as it is.
    let member = Member::made(PINNED, "8760h0m0s");
    let said = boots_older(&member);
    assert!(said.contains("its static pods stay"), "{said}");
    assert_eq!(member.pods().0, all(PINNED));
    assert!(member.calls().contains("systemctl start kubelet.service") && !member.calls().contains("upgrade"));

    // The API server of the new version has never answered: back to what ran before.
    let member = Member::made(&older, "8760h0m0s");
    member.stand_in("curl", "exit 7");
    let output = member.run(&pinned(), "timeout 20 /opt/incline/bin/kubernetes-up");
    assert!(!output.status.success());
    assert_eq!(member.pods().0, all(PINNED));
    member.stand_in("curl", "");
    let said = boots_older(&member);
    assert!(said.contains(&format!("back to {older}")), "{said}");
    assert_eq!(member.pods().0, all(&older));
    assert!(!member.path("volume/kubernetes/incline-before").exists());

    // It has answered, and the rest of the upgrade failed: there is no way back, and the next machine goes on from there.
    let member = Member::made(&older, "8760h0m0s");
    let failing =
        "case \"$*\" in upgrade*) exit 1 ;; *upload-config*) ;; *) exec \"$KUBERNETES/kubeadm\" \"$@\" ;; esac";
    member.stand_in("kubeadm", failing);
    assert!(!member.run(&pinned(), "/opt/incline/bin/kubernetes-up").status.success());
    boots_older(&member);
    assert_eq!(member.pods().0, all(PINNED));
    member.stand_in("kubeadm", &failing.replace("exit 1", ""));
    // The interrupted run has uploaded the new version already.
    member.cluster(PINNED);
    member.forget_calls();
    member.boots();
    assert!(member.calls().contains(&format!("kubeadm upgrade apply {PINNED}")), "{}", member.calls());
    assert!(!member.path("volume/kubernetes/incline-upgrading").exists());

    // Two minor versions at once.
    let member = Member::made(&older, "8760h0m0s");
    let output = member.run(
        &pinned(),
        "sed -i 's/^kubernetesVersion: .*/kubernetesVersion: v1.37.1/' /etc/incline/kubeadm/init.yaml
         /opt/incline/bin/kubernetes-up",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("leaves out a minor version"), "{}", stderr(&output));
    assert_eq!(member.pods(), (all(&older), false));
}

#[test]
#[ignore = "needs the testbed"]
fn a_member_without_data_keeps_how_it_joins() {
    // Joining was interrupted before etcd started: what its manifest says of the cluster is all that it has.
    let member = Member::made(PINNED, "8760h0m0s");
    std::fs::remove_dir_all(member.path("volume/etcd/data")).unwrap();
    let path = member.path("volume/kubernetes/manifests/etcd.yaml");
    let joining = member.kept("manifests/etcd.yaml").replace(
        "    - --initial-cluster=",
        "    - --initial-cluster-state=existing\n    - --initial-cluster=b=https://10.20.5.10:2380,",
    );
    std::fs::write(&path, &joining).unwrap();
    member.boots();
    assert_eq!(member.kept("manifests/etcd.yaml"), joining);
}

#[tokio::test]
#[ignore = "needs the testbed"]
async fn the_last_day_of_the_apis_certificate_is_read_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(incline_aws::certificate_last_day("127.0.0.1".to_owned(), port).await, None, "out of reach");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "20"])
        .args(["-subj", "/CN=kube-apiserver", "-keyout", "key", "-out", "crt"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let mut server = Command::new("openssl")
        // As an API server, it asks for a certificate of the client and takes none.
        .args([
            "s_server",
            "-quiet",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-cert",
            "crt",
            "-key",
            "key",
            "-verify",
            "1",
        ])
        .current_dir(folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut last = None;
    for _ in 0..50 {
        last = incline_aws::certificate_last_day("127.0.0.1".to_owned(), port).await;
        if last.is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let wanted = Command::new("date").args(["--utc", "--date", "20 days", "+%F"]).output().unwrap();
    assert_eq!(last.as_deref(), Some(stdout(&wanted).trim()));
}
