//! What a first apply needs, what would cost a cluster, and stacks that no inventory names.
use super::*;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_pools_size_is_reset_only_by_who_says_so() {
    let aws = Aws::with_clinic();
    aws.applied();
    aws.forget_requests();
    let text = aws.ends(&["nodes", "clinic", "--reset-size", "general"], 64);
    assert!(
        text.contains("nothing was changed: there is nobody to ask") && text.contains("clinic-pool-general to 3 nodes"),
        "{text}"
    );
    assert!(!aws.requests().iter().any(|line| line.contains("SetDesiredCapacity")));
}
