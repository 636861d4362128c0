//! What takes long: `cargo xtask test --long`.
use super::*;

#[test]
#[ignore = "needs the testbed"]
fn disks_are_encrypted_unlocked_and_exported_and_nothing_is_ever_formatted_over() {
    let site = Site::up();
    let lab = &site.lab;

    // An apply whose machine loses its power while its disk is made.
    let mut first = lab.begin(&["apply", "--yes"]);
    let made = "cryptsetup isLuks /dev/disk/by-id/virtio-data1";
    site.until(1, made);
    lab.stop(1);
    let _ = first.kill();
    let _ = first.wait();
    lab.start(1);
    lab.apply();
    assert!(lab.is_settled());

    site.recovery_key();

    // What is mounted over the network is encrypted, and nobody mounts it otherwise.
    assert!(lab.sh(2, "cat /proc/mounts").contains("xprtsec=mtls"));
    // (From the server itself: the other has an encrypted connection already, which its kernel would take.)
    let plain = lab.ssh(1, "mkdir -p /tmp/plain && mount -t nfs -o nfsvers=4.2,soft,timeo=50 10.99.1.1:/srv/studies /tmp/plain && ls /tmp/plain");
    assert!(!plain.status.success(), "it was mounted without TLS");

    the_site_is_destroyed(&site);
}

#[test]
#[ignore = "needs the testbed"]
fn data_outlives_power_cuts_interruptions_and_changed_keys() {
    let mut site = Site::up();
    site.lab.apply();
    assert!(site.lab.is_settled());
    let key = site.recovery_key();
    the_house_has_no_power(&mut site);
    data_outlives_interruptions(&site);
    keys_change(&mut site, &key);
    the_site_is_destroyed(&site);
}

/// Data, and then no power for the whole house: the machines come up, people can log in, and the disks stay shut until their keys can be
/// had.
fn the_house_has_no_power(site: &mut Site) {
    let (device, lab) = (DATA, &site.lab);
    lab.sh(1, "install -o nobody -m 0666 /dev/null /srv/studies/data");
    lab.sh(2, "for file in /var/lib/incline/volumes/fast/data /mnt/studies/data; do head -c 5000000 /dev/urandom >$file; done; sync");
    lab.sh(1, "sync");
    let digests = site.digests();
    site.tang(false);
    site.power_cut();
    let lab = &site.lab;
    lab.sh(1, "! mountpoint -q /srv/studies && ! mountpoint -q /var/lib/etcd && ! systemctl is-active -q nfs-server");
    let shut = site.drift();
    for what in ["luks", device, "opened", "/var/lib/incline/volumes/fast"] {
        assert!(shut.contains(what), "{what} is not in:\n{shut}");
    }
    site.tang(true);
    let lab = &site.lab;
    site.until(1, "mountpoint -q /srv/studies && mountpoint -q /var/lib/etcd && systemctl is-active nfs-server");
    site.until(2, "mountpoint -q /var/lib/incline/volumes/fast && cat /mnt/studies/data >/dev/null");
    assert!(lab.is_settled());
    assert_eq!(site.digests(), digests);
}

/// Whatever interrupts incline while it mends a site, what lies on the disks is byte for byte what it was.
fn data_outlives_interruptions(site: &Site) {
    let (lab, digests) = (&site.lab, site.digests());
    let wanted = interruptions(30);
    let (mut met, mut cut) = (0, 0);
    for random in numbers(11) {
        if met == wanted {
            break;
        }
        // Each time there is something to mend on both.
        lab.sh(1, "exportfs -u 10.99.1.0/24:/srv/studies; systemctl disable -q incline-unlock-studies; echo '#' >>/etc/nfs.conf.d/incline.conf; umount /var/lib/etcd; true");
        lab.sh(2, "umount /var/lib/incline/volumes/fast; systemctl disable -q incline-unlock-fast; rm -f /etc/incline/tls/host.crt; true");
        let mut run = lab.begin(&["apply", "--yes"]);
        std::thread::sleep(Duration::from_millis(500 + (random / 16) % 12_000));
        if run.try_wait().unwrap().is_none() {
            met += 1;
        }
        // One in sixteen loses its power: a machine that is emulated takes long to come back.
        if random % 16 == 0 {
            cut += 1;
            let host = 1 + usize::from(random % 32 == 0);
            lab.stop(host);
            lab.start(host);
        }
        let _ = run.kill();
        let _ = run.wait();
    }
    let end = Instant::now() + PATIENCE;
    while !lab.incline(&["apply", "--yes"]).status.success() {
        assert!(Instant::now() < end, "it does not come to rest");
    }
    assert!(lab.is_settled());
    assert_eq!(site.digests(), digests);
    println!("{met} interruptions, {cut} of them with a power cut; the data is as it was");
}

/// Tampered with, each is found by its name, and mended; other keys, another who recovers them.
fn keys_change(site: &mut Site, key: &str) {
    let (device, digests) = (DATA, site.digests());
    let lab = &site.lab;
    lab.sh(
        2,
        &format!(
            "printf %s {key} >/run/key; printf intruder >/run/other; cryptsetup luksAddKey --pbkdf-force-iterations 4 --pbkdf-memory 65536 -q --key-file /run/key {device} /run/other; \
             rm /run/key /run/other; chmod 0644 /etc/incline/tls/host.key; umount /var/lib/incline/volumes/fast; systemctl disable incline-unlock-fast"
        ),
    );
    lab.sh(1, "nft delete table inet nfs; exportfs -u 10.99.1.0/24:/srv/studies; printf 'vers3=y\\n' >>/etc/nfs.conf.d/incline.conf");
    let found = site.drift();
    for what in [
        "keys that nobody declared",
        "key's mode and owner",
        "/var/lib/incline/volumes/fast",
        "incline-unlock-fast.service",
        "rules that hold",
        "exported./srv/studies.10.99.1.0/24",
        "/etc/nfs.conf.d/incline.conf",
    ] {
        assert!(found.contains(what), "{what} is not in:\n{found}");
    }
    lab.apply();
    assert!(lab.is_settled());
    assert!(
        !lab.ssh(2, &format!("printf intruder | cryptsetup open --test-passphrase --key-file - {device}"))
            .status
            .success()
    );
    assert_eq!(site.digests(), digests);

    // Other keys: a second tang server that is not there cannot be bound, and nothing is lost; the recovery key of another person.
    site.inventory(", {url: \"http://10.99.0.1:7501\", thumbprint: V6QpC3s1Pz0eFh0sW3gQ7v3miWMQbJTfdWn0yqP2cZ7}");
    let output = lab.incline(&["apply", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("clevis cannot bind"), "{}", stdout(&output));
    site.inventory("");
    lab.apply();
    assert!(lab.is_settled());
    let other = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let recipient = std::mem::replace(&mut site.recipient, other.to_owned());
    site.inventory("");
    let lab = &site.lab;
    lab.apply();
    assert!(lab.is_settled());
    assert!(
        !lab.ssh(2, &format!("printf %s {key} | cryptsetup open --test-passphrase --key-file - {device}"))
            .status
            .success(),
        "the old recovery key still opens it"
    );
    assert_eq!(site.digests(), digests);
    assert_ne!(recipient, site.recipient);

    // A disk whose volume is gone is no new disk.
    let lab = &site.lab;
    let etcd = "/dev/disk/by-id/virtio-data2";
    lab.sh(1, &format!("umount /var/lib/etcd; cryptsetup close etcd; wipefs -q -a {etcd}"));
    let before = lab.sh(1, &format!("sha256sum < {etcd}"));
    let output = lab.incline(&["apply", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("held an encrypted volume that incline made, and holds none any more"),
        "{}",
        stdout(&output)
    );
    assert_eq!(before, lab.sh(1, &format!("sha256sum < {etcd}")), "the disk was written to");
}
