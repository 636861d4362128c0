//! What several tests share: each is a process that `cargo xtask test` starts before them, and they reach it by a file.
use crate::support::*;

#[test]
#[ignore = "a fixture: `cargo xtask test` starts it"]
fn cluster() {
    /// Says that there will be no cluster, when making it fails.
    struct Failure;
    impl Drop for Failure {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let _ = std::fs::write(fixture("cluster.failed"), "see target/fixtures/cluster.log");
            }
        }
    }
    let _failure = Failure;
    crate::hosts::cluster::serve();
}
