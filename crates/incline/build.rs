//! Templates and node files travel inside the binary: a new one among them must build it anew.
fn main() {
    for folder in ["templates", "ignition"] {
        println!("cargo::rerun-if-changed=../../{folder}");
    }
}
