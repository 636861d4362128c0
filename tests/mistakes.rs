//! Typical mistakes, and what is said about them. `cases/mistakes.yaml` holds the mistakes; the snapshots are the
//! messages as a user reads them.
use crate::support::*;
use incline_model::yaml;

#[test]
fn every_mistake_is_named_with_line_and_cause() {
    let cases = std::fs::read_to_string(root().join("tests/cases/mistakes.yaml")).unwrap();
    let cases = yaml::parse("mistakes.yaml", &cases).unwrap().value();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() >= 30);
    for case in cases {
        let field = |name: &str| case[name].as_str().unwrap().to_owned();
        let estate = changed_estate(&field("in"), &field("replace"), &field("with"));
        let output = incline(&["--inventories", estate.path().to_str().unwrap(), "check"]);
        let text = stderr(&output).replace(estate.path().to_str().unwrap(), "inventories");
        assert_eq!(output.status.code(), Some(1), "{}: {text}", field("name"));
        assert!(
            text.contains(&format!("inventories/{}]", field("at"))),
            "{} should point at {}:\n{text}",
            field("name"),
            field("at")
        );
        insta::with_settings!({ snapshot_path => "snapshots/mistakes", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(field("name"), text);
        });
    }
}

#[test]
fn files_that_are_no_inventories_are_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let check = |bytes: &[u8]| {
        std::fs::write(folder.path().join("site.yaml"), bytes).unwrap();
        let output = incline(&["--inventories", folder.path().to_str().unwrap(), "check"]);
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    assert!(check(b"").contains("the file is empty"));
    assert!(check(b"kind: AwsSite\n\xff\xfe").contains("not UTF-8"));
    assert!(check(b"kind: AwsSite\n---\nkind: AwsSite\n").contains("second document"));
    assert!(check("a: [".repeat(5000).as_bytes()).contains("error:"));
    assert!(check(format!("a: {}1", "[".repeat(50_000)).as_bytes()).contains("error:"));
    // The billion laughs: refused at the first anchor, never expanded.
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n";
    assert!(check(bomb.as_bytes()).contains("an anchor (`&name`) is not allowed"));
    let huge = vec![b'a'; 100 << 20];
    assert!(check(&huge).contains("the file is longer than 1048576 bytes"));
}

#[test]
fn names_that_add_up_to_more_than_aws_takes_are_refused() {
    let estate =
        changed_estate("lakeside-staging.yaml", "name: lakeside-staging", "name: lakeside-staging-us-east-two");
    let path = estate.path().join("lakeside-staging.yaml");
    let long = "general-purpose-and-the-rest";
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace("name: general", &format!("name: {long}"))
        .replace("pools: [general]", &format!("pools: [{long}]"));
    std::fs::write(&path, text.replace("lakeside-staging-us-east-two", "lakeside-staging-us-east-2nd")).unwrap();
    let output = incline(&["--inventories", estate.path().to_str().unwrap(), "check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("and IAM allows 64 characters"), "{}", stderr(&output));
}

/// What a person types where a secret's place belongs may be the secret, and is in no message, snippet or JSON.
#[test]
fn a_secret_that_was_typed_out_is_not_repeated() {
    let place = "password: {env: RIVERSIDE_F5_PASSWORD}";
    for (file, from, to) in [
        ("riverside-dc.yaml", place, "password: hunter2"),
        ("riverside-dc.yaml", place, "password: \"hunter2\""),
        ("riverside-dc.yaml", place, "password: [hunter2, \"hunter2\"]"),
        ("riverside-dc.yaml", place, "password: {evn: hunter2}"),
        ("riverside-dc.yaml", place, "password: {hunter2: prompt}"),
        ("riverside-dc.yaml", place, "password: {env: hunter2!}"),
        ("riverside-dc.yaml", place, "pasword: hunter2"),
        // A fault on the next line, and a text that is no YAML.
        ("riverside-dc.yaml", place, "password: hunter2\n  colour: blue"),
        ("riverside-dc.yaml", place, "password: hunter2\n\tuser: tab"),
        ("hillcrest-dc.yaml", "becomeRoot: {sudoPassword: prompt}", "becomeRoot: {sudoPassword: hunter2}"),
        ("lakeside-prod.yaml", "presharedKey: {secret: vpn/riverside-dc, key: tunnel1}", "presharedKey: hunter2"),
        ("lakeside-prod.yaml", "key: tunnel1}", "key: \"hunter2 with blanks\"}"),
    ] {
        let estate = changed_estate(file, from, to);
        for more in [[].as_slice(), &["--json"], &["--format", "sarif"], &["--format", "junit"]] {
            let output = incline(&[&["--inventories", estate.path().to_str().unwrap(), "check"], more].concat());
            let text = stdout(&output) + &stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{to}: {text}");
            assert!(!text.contains("hunter2"), "{to}: {text}");
        }
    }
    let estate = changed_estate("riverside-dc.yaml", place, "password: hunter2");
    let told = stderr(&incline(&["--inventories", estate.path().to_str().unwrap(), "check"]));
    assert!(told.contains("write `prompt` or `{env: …}` or `{file: …}`"), "{told}");
}
