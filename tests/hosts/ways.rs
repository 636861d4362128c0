//! Who logs in and how, and who is believed.
use super::*;

/// Runs a plan that must not be whole, and gives what it says.
fn refused(lab: &Lab) -> String {
    let output = lab.incline(&["plan"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    stdout(&output)
}

#[test]
#[ignore = "needs the testbed"]
fn keys_of_all_kinds_log_in() {
    let mut lab = Lab::up("debian", 1);
    lab.environment.push(("SSH_AUTH_SOCK".to_owned(), lab.path("agent").display().to_string()));
    lab.items("- file: {path: /etc/x, content: x}");
    lab.apply();
    let key = lab.path("key");
    for kind in [&["-t", "ecdsa"][..], &["-t", "ecdsa", "-b", "521"], &["-t", "rsa", "-b", "3072"], &["-t", "ed25519"]]
    {
        for file in ["key", "key.pub"] {
            std::fs::remove_file(lab.path(file)).unwrap();
        }
        let made = Command::new("ssh-keygen").args(["-q", "-N", ""]).args(kind).arg("-f").arg(&key).output().unwrap();
        succeeded(&made, "ssh-keygen");
        assert!(refused(&lab).contains("lets ops in with none of: the key "), "{kind:?}");
        std::fs::copy(lab.path("key.pub"), lab.file(1, "/etc/ssh/authorized_keys")).unwrap();
        assert!(lab.is_settled(), "{kind:?}");
    }
    // A certificate, of an authority that the host trusts; the key alone does not do.
    let authority = lab.path("authority");
    succeeded(
        &Command::new("ssh-keygen").args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(&authority).output().unwrap(),
        "ca",
    );
    let sign = Command::new("ssh-keygen")
        .args(["-q", "-I", "lab", "-n", "ops", "-s"])
        .arg(&authority)
        .arg(lab.path("key.pub"))
        .output();
    succeeded(&sign.unwrap(), "sign");
    std::fs::write(lab.file(1, "/etc/ssh/authorized_keys"), "").unwrap();
    assert!(refused(&lab).contains("the certificate of"));
    let trusted = std::fs::read_to_string(lab.path("authority.pub")).unwrap();
    std::fs::write(lab.file(1, "/etc/ssh/authorized_keys"), format!("cert-authority {trusted}")).unwrap();
    assert!(lab.is_settled());
    std::fs::remove_file(lab.path("key-cert.pub")).unwrap();
    // An agent's key, where the inventory names none.
    std::fs::copy(lab.path("key.pub"), lab.file(1, "/etc/ssh/authorized_keys")).unwrap();
    let inventory = std::fs::read_to_string(lab.path("inventories/lab.yaml")).unwrap();
    let without = inventory.lines().filter(|line| !line.starts_with("  key: ")).collect::<Vec<_>>().join("\n");
    std::fs::write(lab.path("inventories/lab.yaml"), without).unwrap();
    assert!(refused(&lab).contains("there is no key to log in with"));
    let mut agent =
        Command::new("ssh-agent").args(["-D", "-a"]).arg(lab.path("agent")).stdout(Stdio::null()).spawn().unwrap();
    while !lab.path("agent").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let add = Command::new("ssh-add").arg("-q").arg(&key).env("SSH_AUTH_SOCK", lab.path("agent")).output().unwrap();
    succeeded(&add, "ssh-add");
    let settled = lab.is_settled();
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(settled, "the agent's key");
    // An encrypted key, and nobody to ask.
    std::fs::write(lab.path("inventories/lab.yaml"), inventory).unwrap();
    let encrypt = Command::new("ssh-keygen").args(["-q", "-p", "-N", "secret", "-f"]).arg(&key).output().unwrap();
    succeeded(&encrypt, "ssh-keygen -p");
    assert!(refused(&lab).contains("it is encrypted, and there is nobody to ask for its passphrase"));
}

/// A passphrase is asked once for all hosts, on a real terminal, and not shown.
#[test]
#[ignore = "needs the testbed"]
fn an_encrypted_keys_passphrase_is_asked_once() {
    let lab = Lab::up("debian", 3);
    let encrypt =
        Command::new("ssh-keygen").args(["-q", "-p", "-N", "open sesame", "-f"]).arg(lab.path("key")).output().unwrap();
    succeeded(&encrypt, "ssh-keygen -p");
    let incline = lab.incline_command(&["plan"]);
    let words: Vec<String> = std::iter::once(incline.get_program())
        .chain(incline.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    // script(1) is the terminal.
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("(sleep 1; echo 'open sesame'; sleep 2) | script -qec \"{}\" /dev/null", words.join(" ")))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("Passphrase of").count(), 1, "{text}");
    assert!(!text.contains("cannot be planned"), "{text}");
}

#[test]
#[ignore = "needs the testbed"]
fn unknown_wrong_and_changed_host_keys_are_refused() {
    let lab = Lab::up("debian", 2);
    let (one, two) = (lab.fingerprint(1).unwrap(), lab.fingerprint(2).unwrap());
    // Nobody vouches for it: refused, with the fingerprint.
    lab.site("ops", "becomeRoot: sudo", |n| (n == 2).then(|| two.clone()));
    let text = refused(&lab);
    assert!(text.contains(&format!("10.99.1.1 has the host key {one}, which nothing vouches for")), "{text}");
    assert!(text.contains("incline trust SITE"), "{text}");
    // trust shows it, and writes nothing on its own.
    let before = std::fs::read_to_string(lab.path("inventories/lab.yaml")).unwrap();
    let output = lab.incline(&["trust", "lab"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        stdout(&output).contains(&format!("new     {one}")) && stdout(&output).contains(&format!("pinned  {two}")),
        "{}",
        stdout(&output)
    );
    assert_eq!(before, std::fs::read_to_string(lab.path("inventories/lab.yaml")).unwrap());
    succeeded(&lab.incline(&["trust", "lab", "--yes"]), "trust");
    let after = std::fs::read_to_string(lab.path("inventories/lab.yaml")).unwrap();
    assert_eq!(after, before.replace("name: host-1,", &format!("name: host-1, hostKey: \"{one}\",")));
    succeeded(&lab.incline(&["plan"]), "plan");
    // A known_hosts file knows it, hashed.
    let line = std::fs::read_to_string(lab.path("1/host.pub")).unwrap();
    let known = lab.path("known_hosts");
    std::fs::write(&known, format!("10.99.1.1 {line}")).unwrap();
    succeeded(&Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&known).output().unwrap(), "hash");
    assert!(!std::fs::read_to_string(&known).unwrap().contains("10.99.1.1"));
    lab.site("ops", &format!("knownHosts: {}", known.display()), |n| (n == 2).then(|| two.clone()));
    succeeded(&lab.incline(&["plan"]), "known_hosts");
    // It has another key than the pin says; than known_hosts says.
    lab.site("ops", "becomeRoot: sudo", |_| Some(two.clone()));
    assert!(refused(&lab).contains(&format!("10.99.1.1 has the host key {one}, and must have {two}")));
    let output = lab.incline(&["trust", "lab", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("CHANGED") && stderr(&output).contains("somebody stands in between"),
        "{}",
        stderr(&output)
    );
    std::fs::write(&known, format!("10.99.1.1 {}", std::fs::read_to_string(lab.path("2/host.pub")).unwrap())).unwrap();
    lab.site("ops", &format!("knownHosts: {}", known.display()), |n| (n == 2).then(|| two.clone()));
    assert!(refused(&lab).contains("and must have the one in line 1 of"));
    // A jump host is no less looked at.
    let jump = format!("jump: [{{address: {{ip: 10.99.1.2}}, hostKey: \"{one}\"}}]");
    lab.site("ops", &jump, |n| lab.fingerprint(n));
    assert!(refused(&lab).contains(&format!("10.99.1.2 has the host key {two}, and must have {one}")));
}

#[test]
#[ignore = "needs the testbed"]
fn root_is_got_with_a_password_or_not_at_all() {
    let mut lab = Lab::up("debian", 1);
    lab.items("- file: {path: /etc/x, content: x}");
    lab.sh(1, "echo 'ops:let me in' | chpasswd; echo 'ops ALL=(root) ALL' >/etc/sudoers.d/ops");
    let text = refused(&lab);
    assert!(text.contains("does not give root's rights: sudo: a password is required"), "{text}");
    lab.site("ops", "becomeRoot: {sudoPassword: {env: BECOME}}", |n| lab.fingerprint(n));
    let output = lab.incline(&["plan"]);
    assert!(stderr(&output).contains("the secret in $BECOME is not set"), "{}", stderr(&output));
    lab.environment.push(("BECOME".to_owned(), "wrong".to_owned()));
    assert!(refused(&lab).contains("sudo does not take the password"));
    lab.environment = vec![("BECOME".to_owned(), "let me in".to_owned())];
    lab.apply();
    assert!(lab.is_settled());
    // Where no password is asked for, none is read as part of the program.
    lab.sh(1, "echo 'ops ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/ops");
    assert!(lab.is_settled());
    lab.sh(1, "rm /etc/sudoers.d/ops");
    assert!(refused(&lab).contains("does not give root's rights: "));
    // A file that others may read is no secret.
    std::fs::write(lab.path("password"), "let me in\n").unwrap();
    lab.site("ops", &format!("becomeRoot: {{sudoPassword: {{file: {}}}}}", lab.path("password").display()), |n| {
        lab.fingerprint(n)
    });
    assert!(stderr(&lab.incline(&["plan"])).contains("is a secret that others may read"));
}

#[test]
#[ignore = "needs the testbed"]
fn the_users_ssh_config_fills_what_the_inventory_leaves_open() {
    let lab = Lab::up("debian", 2);
    std::fs::create_dir_all(lab.path("home/.ssh")).unwrap();
    let known = std::fs::read_to_string(lab.path("1/host.pub")).unwrap();
    std::fs::write(lab.path("home/.ssh/known_hosts"), format!("10.99.1.1 {known}")).unwrap();
    std::fs::write(
        lab.path("home/.ssh/config"),
        format!(
            "Host host-2\n  ProxyJump gate\nHost gate\n  HostName 10.99.1.1\n  User root\n  IdentityFile {}\n",
            lab.path("key").display()
        ),
    )
    .unwrap();
    succeeded(&lab.incline(&["plan"]), "through the gate");
    let log = std::fs::read_to_string(lab.path("1/log")).unwrap();
    assert!(log.contains("Accepted publickey for root"), "{log}");
    let log = std::fs::read_to_string(lab.path("2/log")).unwrap();
    assert!(log.contains("Accepted publickey for ops from 10.99.1.1"), "{log}");
}
