//! What AWS does with templates beyond what their schemas say: each of these passes every linter and fails, or works badly, in an
//! account.
use crate::support::*;
use incline_model::desired::Desired;
use incline_model::site::Site;
use incline_render::render;
use incline_safeguards::{Document, Of, of_aws};

/// What is rendered of the example estate's sites in AWS.
pub fn rendered() -> Vec<(Desired, Vec<Document>)> {
    let (estate, templates) = (example(), templates());
    let aws = estate.sites().filter_map(|site| match site {
        Site::Aws(site) => {
            let desired = render(site, &estate, &templates).unwrap();
            let documents = of_aws(site, &desired);
            Some((desired, documents))
        }
        Site::OnPrem(_) => None,
    });
    aws.collect()
}

/// A file of what a node boots from.
pub fn file_of<'a>(documents: &'a [Document], role: &str, path: &str) -> &'a str {
    let node = documents.iter().find(|document| document.of == Of::Node && document.value["role"] == role).unwrap();
    let files = node.value["files"].as_array().unwrap();
    files.iter().find(|file| file["path"] == path).unwrap()["content"].as_str().unwrap()
}

#[test]
fn nodes_pull_the_images_that_may_run_on_them() {
    for (desired, documents) in rendered() {
        for artifact in &desired.artifacts {
            let list = file_of(&documents, &artifact.role, "/etc/incline/images");
            let names: Vec<&str> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
            if artifact.role.starts_with("pool-") {
                assert_eq!(names, ["coredns", "kube-proxy", "pause"], "{}", artifact.role);
            } else {
                assert_eq!(names, incline_model::lock::IMAGES, "{}", artifact.role);
            }
        }
    }
}

/// A cluster in AWS begins with the same policies as one on premises, applied by the member that founds it.
#[test]
fn clusters_everywhere_begin_with_the_same_network_policies() {
    let baseline = std::fs::read_to_string(root().join("ignition/files/baseline.yaml")).unwrap();
    for (desired, documents) in rendered() {
        for artifact in desired.artifacts.iter().filter(|artifact| artifact.role.starts_with("control-plane-")) {
            assert_eq!(file_of(&documents, &artifact.role, "/etc/incline/cluster/baseline.yaml"), baseline);
        }
    }
    let hosts = std::fs::read_to_string(root().join("templates/hosts/cluster.yaml")).unwrap();
    assert!(
        hosts.contains("path: /etc/incline/cluster/baseline.yaml, mode: \"0600\", content: {{ files.baseline }}"),
        "{hosts}"
    );
}
