//! The command's own promises: exit codes, streams, shipped files.
use crate::support::*;

#[test]
fn exit_codes_are_as_documented() {
    let code = |arguments: &[&str]| incline(arguments).status.code();
    assert_eq!(code(&["check"]), Some(0));
    assert_eq!(code(&["plan", "--offline"]), Some(0));
    assert_eq!(code(&["plan", "--offline", "--detailed-exitcode"]), Some(2));
    assert_eq!(code(&["--inventories", "nowhere", "check"]), Some(1));
    assert_eq!(code(&["plan", "--offline", "no-such-site"]), Some(64));
    assert_eq!(code(&["apply", "--plan", "x", "--target", "y"]), Some(64));
    assert_eq!(code(&["paln"]), Some(64));
    assert_eq!(code(&["--help"]), Some(0));
}

#[test]
fn an_unknown_site_is_guessed() {
    let output = incline(&["plan", "--offline", "lakeside-prd"]);
    assert_eq!(stdout(&output), "");
    insta::assert_snapshot!(stderr(&output), @r"
    error: there is no site `lakeside-prd` in this estate
    hint: did you mean `lakeside-prod`?
    ");
}

#[test]
fn colours_go_to_terminals_alone() {
    assert!(!succeed(&["plan", "--offline"]).contains('\x1b'));
}

#[test]
fn the_shipped_schema_is_the_generated_one() {
    let shipped = std::fs::read_to_string(inventories().join("inventory.schema.json")).unwrap();
    assert!(shipped == succeed(&["schema"]), "run `cargo run -- schema > inventories/inventory.schema.json`");
}

#[test]
fn starters_pass_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    succeed(&["--inventories", path, "init", "aws", "first"]);
    succeed(&["--inventories", path, "init", "onprem", "second"]);
    // Both are valid, and nothing of them was judged: there is no lock file yet.
    let checked = incline(&["--inventories", path, "check"]);
    assert_eq!(checked.status.code(), Some(1));
    let text = stdout(&checked);
    assert!(
        text.contains("2 sites are valid") && text.contains("first: not judged: there is no incline.lock"),
        "{text}"
    );
    for (format, sign) in [("sarif", "\"not-judged\""), ("junit", "errors=\"2\"")] {
        let checked = incline(&["--inventories", path, "check", "--format", format]);
        assert!(checked.status.code() == Some(1) && stdout(&checked).contains(sign), "{format}");
    }
    let again = incline(&["--inventories", path, "init", "aws", "first"]);
    assert_eq!(again.status.code(), Some(1), "a starter must never overwrite a file");
}

#[test]
fn check_speaks_json() {
    let estate = changed_estate("lakeside-prod.yaml", "egress: natPerZone", "egress: natPerZne");
    let output = incline(&["--inventories", estate.path().to_str().unwrap(), "check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["faults"][0]["path"], "network.egress");
    assert_eq!(answer["faults"][0]["line"], 31);
    assert_eq!(answer["faults"][0]["column"], 11);
}

#[test]
fn completions_and_man_pages_name_every_command() {
    let folder = tempfile::tempdir().unwrap();
    succeed(&["man", folder.path().to_str().unwrap()]);
    let script = succeed(&["completions", "bash"]);
    for command in [
        "init",
        "check",
        "plan",
        "apply",
        "drift",
        "nodes",
        "destroy",
        "iam-policy",
        "render",
        "graph",
        "lock",
        "schema",
    ] {
        assert!(script.contains(command));
        assert!(folder.path().join(format!("incline-{command}.1")).exists());
    }
}

#[test]
fn graphs_are_whole_and_name_what_is_joined() {
    let site = succeed(&["graph", "lakeside-prod"]);
    for word in [
        "us-east-1c",
        "10.20.64.0/20",
        "imaging",
        "clinical",
        "riverside-dc",
        "hillcrest-dc",
        "lakeside-staging",
        "claims",
        "172.24.0.0/16",
    ] {
        assert!(site.contains(word), "{word} is missing");
    }
    // One file: nothing is loaded from elsewhere.
    assert!(!site.replace("http://www.w3.org/2000/svg", "").contains("http"));
    assert!(succeed(&["graph"]).contains("The estate"));
    let dot = succeed(&["graph", "--format", "dot"]);
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    assert!(dot.contains("\"lakeside-prod/us-east-1a\" -- \"riverside-dc\" [style=dashed"));
}

#[test]
fn the_readmes_inventory_is_valid() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let inventory = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(inventory.lines().count() <= 32);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("clinic.yaml"), inventory).unwrap();
    std::fs::copy(inventories().join("incline.lock"), folder.path().join("incline.lock")).unwrap();
    succeed(&["--inventories", folder.path().to_str().unwrap(), "check"]);
}

#[test]
fn rights_are_the_least_that_each_command_needs() {
    let actions = |command: &str| {
        let text = succeed(&["iam-policy", "lakeside-prod", "--for", command]);
        let policies: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut found = Vec::new();
        for policy in policies.as_array().unwrap() {
            // IAM counts a managed policy's characters without white space.
            assert!(policy.to_string().chars().filter(|c| !c.is_whitespace()).count() <= 6144);
            for statement in policy["Statement"].as_array().unwrap() {
                let list = statement["Action"].as_array().cloned().unwrap_or_else(|| vec![statement["Action"].clone()]);
                for action in list {
                    let action = action.as_str().unwrap().to_owned();
                    // AWS's own schemas ask for some looks by the dozen; nothing else may.
                    let by_the_dozen = [":Describe*", ":List*"].iter().any(|end| action.ends_with(end));
                    assert!(!action.contains('*') || by_the_dozen, "{action}");
                    found.push((action, format!("{} if {}", statement["Resource"], statement["Condition"])));
                }
            }
        }
        found
    };
    for command in ["plan", "drift"] {
        for (action, _) in actions(command) {
            let verb = action.split(':').nth(1).unwrap();
            let looks = ["Describe", "Get", "List", "Detect", "Decrypt", "BatchGet", "Lookup", "Search", "Select"];
            assert!(looks.iter().any(|word| verb.starts_with(word)), "{command} may {action}");
            assert_ne!(action, "secretsmanager:GetSecretValue", "{command} reads no secret");
        }
    }
    let apply = actions("apply");
    let of =
        |name: &str| apply.iter().filter(|(action, _)| action == name).map(|(_, at)| at.as_str()).collect::<Vec<_>>();
    assert_eq!(of("iam:CreateRole").len(), 1);
    assert!(of("iam:CreateRole")[0].contains("role/incline-lakeside-prod-*"));
    assert!(of("cloudformation:ExecuteChangeSet")[0].contains("stack/lakeside-prod-*/*"));
    // Secrets are read for the VPN's keys alone.
    assert_eq!(of("secretsmanager:GetSecretValue").len(), 1);
    assert!(of("secretsmanager:GetSecretValue")[0].contains("secret:vpn/riverside-dc-??????"));
    // What takes no resource is allowed on all of them, or is not allowed: without it tunnels have no logs.
    for action in ["logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:PutResourcePolicy"]
    {
        assert_eq!(of(action).len(), 1, "{action}");
        assert!(of(action)[0].starts_with("\"*\" if"), "{action}: {}", of(action)[0]);
    }
    // Keys are changed that have the site's tag, and made with it.
    for action in ["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:CreateGrant", "kms:DisableKey"] {
        assert!(
            of(action).len() == 1 && of(action)[0].contains(r#""aws:ResourceTag/incline:site":"lakeside-prod""#),
            "{:?}",
            of(action)
        );
    }
    assert!(of("kms:CreateKey").len() == 1 && of("kms:CreateKey")[0].contains("aws:RequestTag/incline:site"));
    // A new account has no role of Auto Scaling, nor of load balancers.
    assert!(of("iam:CreateServiceLinkedRole")[0].contains("role/aws-service-role/autoscaling.amazonaws.com/*"));
    assert!(
        of("iam:CreateServiceLinkedRole")[0].contains("iam:AWSServiceName")
            && of("iam:CreateServiceLinkedRole").len() == 1
    );
}

#[test]
fn every_device_is_told_of_every_tunnel_and_of_no_key() {
    for format in ["text", "bigip", "swanctl"] {
        for (site, network) in [("riverside-dc", "169.254.20."), ("hillcrest-dc", "169.254.21.")] {
            let said = succeed(&["vpn-config", site, "--format", format]);
            assert!(said.contains("lakeside-prod") && !said.contains("secret ="), "{format}: {said}");
            // strongSwan's interfaces have their addresses from elsewhere.
            assert!(format == "swanctl" || said.contains(network), "{format}: {said}");
        }
    }
    assert_eq!(incline(&["vpn-config", "lakeside-prod"]).status.code(), Some(1));
}

#[test]
fn without_credentials_the_hint_says_how_to_get_some() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_incline"))
        .args(["plan", "lakeside-staging"])
        .current_dir(root())
        .env_clear()
        .envs([("NO_COLOR", "1"), ("AWS_EC2_METADATA_DISABLED", "true")])
        .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
        .output()
        .unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("AWS_PROFILE") && text.contains("`aws sso login --profile PROFILE`"), "{text}");
    assert!(text.contains("there are no credentials that could be used: "), "{text}");
    assert!(!text.contains("run the same command again"), "{text}");
}
