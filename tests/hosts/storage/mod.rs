//! Encrypted disks and NFS, for real: virtual machines with kernels and disks of their own, a tang server beside them.
mod long;

use super::*;
use std::time::{Duration, Instant};

/// Two machines, what gives them their keys, and who may recover them.
struct Site {
    lab: Lab,
    tang: Option<Child>,
    thumbprint: String,
    recipient: String,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.tang(false);
    }
}

const TANG: &str = "10.99.0.1:7500";
/// How long a machine that is emulated may take for what a service does at boot.
const PATIENCE: Duration = Duration::from_secs(240);

impl Site {
    fn up() -> Self {
        let lab = Lab::up("vm", 2);
        let folder = lab.path("tang");
        std::fs::create_dir(&folder).unwrap();
        succeeded(&Command::new("/usr/libexec/tangd-keygen").arg(&folder).output().unwrap(), "tang's keys are made");
        let keys = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let signing = keys.into_iter().find(|key| std::fs::read_to_string(key).unwrap().contains("verify")).unwrap();
        let thumbprint = Command::new("jose").args(["jwk", "thp", "-a", "S256", "-i"]).arg(signing).output().unwrap();
        let identity = lab.path("identity");
        let age = testbed("debian").join("usr/bin");
        succeeded(&Command::new(age.join("age-keygen")).arg("-o").arg(&identity).output().unwrap(), "age-keygen");
        let recipient = Command::new(age.join("age-keygen")).arg("-y").arg(&identity).output().unwrap();
        let (thumbprint, recipient) = (stdout(&thumbprint).trim().to_owned(), stdout(&recipient).trim().to_owned());
        let mut site = Self { lab, tang: None, thumbprint, recipient };
        site.tang(true);
        site.inventory("");
        let templates = |name: &str| root().join("templates/hosts").join(name);
        for name in ["storage.yaml", "nfs.yaml"] {
            std::fs::copy(templates(name), site.lab.path("templates/hosts").join(name)).unwrap();
        }
        // Their tree has age already.
        let prepare = site.lab.path("templates/hosts/prepare.yaml");
        std::fs::write(prepare, "- directory: {path: /opt/incline/bin}\n").unwrap();
        site
    }

    /// Starts the tang server, or ends it.
    fn tang(&mut self, runs: bool) {
        if let Some(mut tang) = self.tang.take() {
            let _ = tang.kill();
            let _ = tang.wait();
        }
        if runs {
            let mut command = self.lab.command("systemd-socket-activate");
            command.args(["--inetd", "-a", "-l", TANG, "/usr/libexec/tangd"]).arg(self.lab.path("tang"));
            self.tang = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        }
    }

    /// The first serves NFS and has a disk for etcd, the second has a local volume; `more` is added to how disks are encrypted.
    fn inventory(&self, more: &str) {
        let pin = |n| self.lab.fingerprint(n).unwrap();
        let text = format!(
            "version: v1\nkind: OnPremSite\nname: lab\nnetwork: {{cidrs: [10.99.0.0/16]}}\n\
             ssh: {{user: ops, key: {key}, becomeRoot: sudo}}\n\
             hosts:\n\
             - name: host-1\n  address: 10.99.1.1\n  hostKey: \"{}\"\n  roles: [controlPlane, worker, nfsServer]\n  disks:\n\
             \x20 - {{name: studies, id: /dev/disk/by-id/virtio-data1, purpose: nfs, sizeGib: 1}}\n\
             \x20 - {{name: etcd, id: /dev/disk/by-id/virtio-data2, purpose: etcd}}\n\
             - name: host-2\n  address: 10.99.1.2\n  hostKey: \"{}\"\n  roles: [worker]\n\
             \x20 disks: [{{name: fast, id: /dev/disk/by-id/virtio-data1, purpose: localVolume, sizeGib: 1}}]\n\
             \x20 nfsMounts: [{{export: /srv/studies, at: /mnt/studies}}]\n\
             kubernetes: {{version: \"1.36.3\", podCidr: 100.80.0.0/16, serviceCidr: 100.88.0.0/16}}\n\
             api: {{name: api.lab.internal, address: 10.99.1.1}}\nmirror: https://mirror.lab.internal/kubernetes\n\
             diskEncryption:\n  tang: [{{url: \"http://{TANG}\", thumbprint: {}}}{more}]\n  recovery: {}\n\
             localStorage: {{storageClass: fast, filesystem: ext4}}\n\
             nfs: {{server: host-1, exports: [{{path: /srv/studies, storageClass: studies, clients: [10.99.1.0/24]}}]}}\n",
            pin(1),
            pin(2),
            self.thumbprint,
            self.recipient,
            key = self.lab.path("key").display(),
        );
        std::fs::write(self.lab.path("inventories/lab.yaml"), text).unwrap();
    }

    /// Waits until shell text succeeds on a host.
    fn until(&self, host: usize, text: &str) {
        let begun = Instant::now();
        while !self.lab.ssh(host, text).status.success() {
            assert!(begun.elapsed() < PATIENCE, "{text}: not so on host-{host}");
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    /// What drift says of a site of which something no longer holds.
    fn drift(&self) -> String {
        let output = self.lab.incline(&["drift"]);
        assert_eq!(output.status.code(), Some(2), "{}{}", stdout(&output), stderr(&output));
        stdout(&output)
    }

    /// The digests of what lies on the disks.
    fn digests(&self) -> [String; 2] {
        let local = self.lab.sh(2, "sha256sum < /var/lib/incline/volumes/fast/data");
        [local, self.lab.sh(2, "sha256sum < /mnt/studies/data")]
    }

    /// The recovery key of the second machine's disk, which lies in the volume's header, for its recipient alone, and opens it.
    fn recovery_key(&self) -> String {
        let (lab, device) = (&self.lab, DATA);
        let token = lab.sh(2, &format!("cryptsetup token export --token-id 0 {device}"));
        let token: serde_json::Value = serde_json::from_str(&token).unwrap();
        std::fs::write(lab.path("escrow"), token["age"].as_str().unwrap()).unwrap();
        let age = testbed("debian").join("usr/bin/age");
        let recovered = Command::new("sh")
            .args(["-c", "base64 -d <\"$1\" | \"$2\" --decrypt --identity \"$3\"", "sh"])
            .args([lab.path("escrow"), age, lab.path("identity")])
            .output()
            .unwrap();
        succeeded(&recovered, "the recovery key is decrypted");
        let key = stdout(&recovered);
        assert_eq!(key.len(), 64);
        lab.sh(2, &format!("printf %s {key} | cryptsetup open --test-passphrase --key-file - {device}"));
        key
    }

    /// Cuts the power of both machines, and gives it back.
    fn power_cut(&self) {
        for host in [1, 2] {
            self.lab.stop(host);
        }
        for host in [1, 2] {
            self.lab.start(host);
        }
    }
}

/// A disk that every test of this file is about.
const DATA: &str = "/dev/disk/by-id/virtio-data1";

/// Disks go only where each is named: one loses its keys, another stays.
fn the_site_is_destroyed(site: &Site) {
    let lab = &site.lab;
    let etcd = "/dev/disk/by-id/virtio-data2";
    // With its header, a volume's data can be read; the whole of a disk takes an emulated machine minutes.
    let header = format!("head -c 16M {etcd} | sha256sum");
    let before = lab.sh(1, &header);
    let destroy = |more: &[&str]| lab.incline(&[&["destroy", "lab", "--confirm", "lab"], more].concat());
    let refused = destroy(&["--data", "host-2/fast", "--retain", "host-1/etcd"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("host-1/studies may hold data; nothing was removed"), "{}", stderr(&refused));
    assert!(lab.is_settled());
    let all = ["--data", "host-2/fast", "--retain", "host-1/etcd", "--data", "host-1/studies"];
    succeeded(&destroy(&all), "the site is destroyed");
    for host in [1, 2] {
        assert!(!lab.ssh(host, &format!("cryptsetup isLuks {DATA}")).status.success(), "host-{host}");
        let left = lab.sh(host, "grep -e /srv/ -e /mnt/ -e incline -e /var/lib/etcd /proc/mounts; ls /dev/mapper | grep -v control; ls /etc/incline/tls /var/lib/incline/mark.json; true");
        assert_eq!(left, "", "host-{host}");
    }
    assert_eq!(before, lab.sh(1, &header), "the disk that stays was written to");
}
