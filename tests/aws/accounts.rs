//! Accounts that were never used: what AWS makes only when somebody asks for it.
use super::*;

/// KMS refuses keys whose policies name a role that is not there, and Auto Scaling's is not there before somebody makes it
/// (terraform-aws-modules/terraform-aws-eks#3013).
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_site_is_made_in_an_account_that_was_never_used() {
    let made = |aws: &Aws| aws.requests().iter().filter(|line| *line == "iam CreateServiceLinkedRole").count();
    // KMS knows a new role after five seconds.
    let aws = Aws::with(&root().join("tests/cases/clinic/clinic.yaml"), &[("FRESH_ACCOUNT", "5")]);
    let text = aws.applied();
    assert!(text.contains("service-linked role AWSServiceRoleForAutoScaling"), "{text}");
    assert_eq!(made(&aws), 1);
    assert!(aws.ends(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    // Nothing asks for it again, nor where another site of the account was there before.
    aws.edit("clinic.yaml", "network:\n", "encryption: {rotationDays: 300}\nnetwork:\n");
    aws.applied();
    assert_eq!(made(&aws), 1);
    let used = Aws::with_clinic();
    used.applied();
    assert_eq!(made(&used), 0);
}
