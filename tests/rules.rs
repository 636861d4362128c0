//! Rules of the house that the compiler alone cannot hold.
use crate::support::*;
use std::collections::BTreeSet;
use std::process::Command;

/// Crates that decide, and may therefore not look: what they may depend on. A new name here wants an argument in review.
const PURE: [(&str, &[&str]); 5] = [
    ("incline-model", &["ipnet", "schemars", "serde", "serde_json", "serde-saphyr", "strsim", "thiserror"]),
    ("incline-host", &["base64", "incline-model", "serde", "serde_json", "sha2", "zeroize"]),
    (
        "incline-render",
        &["base64", "incline-host", "incline-model", "minijinja", "serde", "serde_json", "sha2", "thiserror", "uuid"],
    ),
    ("incline-plan", &["base64", "incline-host", "incline-model", "serde", "serde_json", "sha2", "similar"]),
    (
        "incline-safeguards",
        &["base64", "incline-host", "incline-model", "regex-lite", "serde", "serde_json", "serde-saphyr", "thiserror"],
    ),
];

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn pure_crates_have_no_std_and_short_dependency_lists() {
    let packages = packages();
    for (name, allowed) in PURE {
        let package = packages.iter().find(|package| package["name"] == name).unwrap();
        let found: BTreeSet<&str> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|d| d["kind"].is_null())
            .map(|d| d["name"].as_str().unwrap())
            .collect();
        assert_eq!(found, allowed.iter().copied().collect(), "{name}");
        let top =
            std::fs::read_to_string(root().join("crates").join(&name["incline-".len()..]).join("src/lib.rs")).unwrap();
        assert!(top.contains("#![no_std]"), "{name} must not reach std");
        for (file, text) in files(&root().join("crates").join(&name["incline-".len()..]).join("src")) {
            let text = String::from_utf8(text).unwrap();
            let production = text.split("#[cfg(test)]").next().unwrap();
            assert!(!production.contains("extern crate std"), "{name}: {file} brings std back");
        }
    }
}

#[test]
fn every_crate_takes_lints_and_versions_from_the_workspace() {
    for package in packages() {
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package["name"]);
        for line in
            manifest.lines().skip_while(|line| *line != "[dependencies]").take_while(|line| !line.starts_with("[["))
        {
            assert!(
                !line.contains("version = \"") && !line.contains(" = \""),
                "{}: {line}: versions stand in the workspace",
                package["name"]
            );
        }
    }
}

#[test]
fn files_stay_small_enough_to_read() {
    for (file, text) in files(&root().join("crates")) {
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        assert!(!file.ends_with(".rs") || lines <= 700, "{file} has {lines} lines and wants to be two");
    }
}

#[test]
fn every_template_and_node_file_is_used() {
    // A file that no manifest names would be shipped, reviewed and never run.
    let all: String = files(&root().join("templates"))
        .into_iter()
        .chain(files(&root().join("crates/render")))
        .map(|(_, text)| String::from_utf8_lossy(&text).into_owned())
        .collect();
    for (file, _) in files(&root().join("ignition")) {
        let name = file.strip_prefix("bin/").unwrap_or(&file);
        assert!(all.contains(name), "ignition/{file} is in no node's manifest");
    }
}
