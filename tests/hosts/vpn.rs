//! The VPN's end on premises, for real: one virtual machine is the gateway that incline makes, the other is as AWS would be.
use super::*;
use std::os::unix::fs::PermissionsExt;

/// What AWS's end is told: two tunnels, each by a key of its own, with an interface and a BGP speaker, and a network behind it. The first
/// argument is the encryption that it takes.
const AWS: &str = r#"
set -e
proposal=$1
ip address replace 10.20.0.1/16 dev lo
ip address replace 10.99.1.102/16 dev "$(ip -o -4 route show 10.99.0.0/16 | sed 's/.* dev \([^ ]*\).*/\1/')"
{
  echo 'connections {'
  for n in 1 2; do
    address=10.99.1.2
    if [ $n = 2 ]; then address=10.99.1.102; fi
    echo "t$n { version = 2
      local_addrs = $address
      remote_addrs = 10.99.1.1
      proposals = $proposal-prfsha384-ecp384
      if_id_in = $n
      if_id_out = $n
      local { auth = psk
        id = $address
      }
      remote { auth = psk
        id = 10.99.1.1
      }
      children { t$n { local_ts = 0.0.0.0/0
        remote_ts = 0.0.0.0/0
        esp_proposals = $proposal-ecp384
      } }
    }"
  done
  echo '}'
  echo 'secrets {'
  echo 'ike-1 { id-1 = 10.99.1.2
    secret = "first.key_of-the-test" }'
  echo 'ike-2 { id-1 = 10.99.1.102
    secret = "second.key_of-the-test" }'
  echo '}'
} >/etc/swanctl/conf.d/aws.conf
for n in 1 2; do
  [ -e "/sys/class/net/x$n" ] || ip link add "x$n" type xfrm if_id $n
  ip link set "x$n" up
  ip address replace "169.254.20.$((4 * n - 3))/30" dev "x$n"
  sysctl -q -w "net.ipv4.conf.x$n.rp_filter=0"
done
sysctl -q -w net.ipv4.conf.all.rp_filter=0
{
  echo 'router id 10.20.0.1;'
  echo 'protocol device {}'
  echo 'protocol kernel { ipv4 { export where source = RTS_BGP; }; }'
  echo 'protocol static { ipv4; route 10.20.0.0/16 blackhole; }'
  for n in 1 2; do
    echo "protocol bgp p$n { local 169.254.20.$((4 * n - 3)) as 64620; neighbor 169.254.20.$((4 * n - 2)) as 65020; direct;
      ipv4 { import all; export where source = RTS_STATIC; }; }"
  done
} >/etc/bird/bird.conf
systemctl restart strongswan bird
swanctl --load-all --clear --noprompt"#;

/// The estate: a site in AWS, and the lab's hosts as the site on premises. `negotiation` is how AWS's inventory says that tunnels are negotiated.
fn inventory(lab: &Lab, routing: &str, negotiation: &str) {
    let aws = std::fs::read_to_string(root().join("inventories/lakeside-prod.yaml")).unwrap();
    let before = aws.split("\nvpn:").next().unwrap();
    let after = aws.split("\nkubernetes:").nth(1).unwrap();
    let before = before.split("\npeering:").next().unwrap();
    let tunnel = |number: u8, inside: &str, outside: &str| {
        format!(
            "        - {{insideCidr: {inside}, outsideAddress: {outside}, presharedKey: {{secret: vpn/lab, key: tunnel{number}}}}}\n"
        )
    };
    let vpn = format!(
        "vpn:\n  amazonAsn: 64620\n  connections:\n    - to: lab\n      routing: {routing}\n{negotiation}      tunnels:\n{}{}",
        tunnel(1, "169.254.20.0/30", "10.99.1.2"),
        tunnel(2, "169.254.20.4/30", "10.99.1.102"),
    );
    std::fs::write(lab.path("inventories/lakeside-prod.yaml"), format!("{before}\n{vpn}\nkubernetes:{after}")).unwrap();
    let pin = |n| lab.fingerprint(n).unwrap();
    let key = |name: &str| lab.path(name).display().to_string();
    for name in ["first", "second"] {
        std::fs::write(key(name), format!("{name}.key_of-the-test\n")).unwrap();
        std::fs::set_permissions(key(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let text = format!(
        "version: v1\nkind: OnPremSite\nname: lab\n\
         network:\n  cidrs: [10.99.0.0/16]\n  vpnGateway:\n    address: 10.99.1.1\n    asn: 65020\n    host: host-1\n\
         \x20   presharedKeys: [{{from: lakeside-prod, tunnels: [{{file: {}}}, {{file: {}}}]}}]\n\
         ssh: {{user: ops, key: {}, becomeRoot: sudo}}\n\
         hosts:\n\
         - {{name: host-1, address: 10.99.1.1, hostKey: \"{}\", roles: [vpnGateway]}}\n\
         - {{name: host-2, address: 10.99.1.2, hostKey: \"{}\", roles: [controlPlane, worker]}}\n\
         kubernetes: {{version: \"1.36.3\", podCidr: 100.92.0.0/16, serviceCidr: 100.76.0.0/16}}\n\
         api: {{name: api.lab.internal, address: 10.99.1.2}}\nmirror: https://mirror.lab.internal/kubernetes\n",
        key("first"),
        key("second"),
        key("key"),
        pin(1),
        pin(2),
    );
    std::fs::write(lab.path("inventories/lab.yaml"), text).unwrap();
}

#[test]
#[ignore = "needs the testbed"]
fn tunnels_to_aws_come_up_carry_traffic_and_are_watched() {
    let lab = Lab::up("vm", 2);
    let aws = |proposal: &str| {
        let script = format!("set -- {proposal}\n{AWS}");
        std::fs::write(lab.path("aws.sh"), script).unwrap();
        let text = std::fs::read_to_string(lab.path("aws.sh")).unwrap();
        lab.sh(2, &text);
    };
    let succeeds = |host: usize, text: &str| {
        let tries = (0..30).find(|_| {
            let output = lab.ssh(host, text);
            if !output.status.success() {
                std::thread::sleep(std::time::Duration::from_secs(2));
            }
            output.status.success()
        });
        assert!(
            tries.is_some(),
            "{text}: {}",
            stdout(&lab.ssh(host, &format!("{text}; swanctl --list-sas; ip route")))
        );
    };
    aws("aes256gcm16");
    std::fs::copy(root().join("templates/hosts/vpn.yaml"), lab.path("templates/hosts/vpn.yaml")).unwrap();
    std::fs::write(lab.path("templates/hosts/prepare.yaml"), "- directory: {path: /opt/incline/bin}\n").unwrap();

    // Fixed routes. Neither key is in anything that incline says.
    inventory(&lab, "static", "");
    let output = lab.incline(&["apply", "--yes", "lab"]);
    succeeded(&output, "apply");
    assert!(!format!("{}{}", stdout(&output), stderr(&output)).contains("key_of-the-test"));
    let settled = || lab.incline(&["plan", "--detailed-exitcode", "lab"]).status.code() == Some(0);
    assert!(settled());

    // Traffic passes, and what passes between the two is ESP alone.
    succeeds(1, "ping -c 1 -W 2 -I 10.99.1.1 10.20.0.1");
    let before = lab.sh(1, "ip -s xfrm state | grep -c 'lastused'; swanctl --list-sas | grep -c INSTALLED");
    assert!(before.trim().ends_with('2'), "{before}");
    assert!(lab.sh(1, "ip route get 10.20.0.1").contains("incline1"));
    let output = lab.ssh(1, "ip link set incline1 down; ip route get 10.20.0.1");
    assert!(stdout(&output).contains("incline2"), "the other tunnel takes over: {}", stdout(&output));
    lab.sh(1, "ip link set incline1 up");

    // A tunnel that somebody ends is found by its name, and mended; so is the key, an interface, a rule of the firewall.
    lab.sh(1, "swanctl --terminate --ike lakeside-prod-2 --force >/dev/null 2>&1; swanctl --unload-all 2>/dev/null; ip link delete incline2; nft delete table inet vpn; echo >>/etc/incline/vpn/lakeside-prod-1.secret");
    let drift = lab.incline(&["drift", "lab"]);
    let found = stdout(&drift);
    assert_eq!(drift.status.code(), Some(2), "{found}");
    for what in
        ["lakeside-prod-2", "lakeside-prod-2.interface", "rules that hold", "/etc/incline/vpn/lakeside-prod-1.secret"]
    {
        assert!(found.contains(what), "{what} is not in:\n{found}");
    }
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "it is mended");
    assert!(settled());
    succeeds(1, "ping -c 1 -W 2 -I 10.99.1.1 10.20.0.1");

    // AWS's end takes another proposal than the inventory says: the tunnels cannot be made, and apply says why.
    aws("aes256-sha384");
    lab.ssh(1, "swanctl --terminate --ike lakeside-prod-1 --force; swanctl --terminate --ike lakeside-prod-2 --force");
    let refused = lab.incline(&["apply", "--yes", "lab"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    assert!(stdout(&refused).contains("NO_PROPOSAL_CHOSEN"), "{}", stdout(&refused));

    // The inventory follows: what was negotiated before is drift by name until then. Routes come by BGP now.
    inventory(&lab, "bgp", "      negotiation: {encryption: [AES256], integrity: [SHA2-384], dhGroups: [20]}\n");
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "the other proposal");
    assert!(settled());
    succeeds(1, "ip route | grep -q '^10.20.0.0/16.*bird'");
    succeeds(1, "ping -c 1 -W 2 -I 10.99.1.1 10.20.0.1");

    // After a power cut the tunnels come up by themselves.
    lab.stop(1);
    lab.start(1);
    succeeds(1, "ping -c 1 -W 2 -I 10.99.1.1 10.20.0.1");
    assert!(settled());
}
