//! Leads libkrun's calls of mmap through `__wrap_mmap` in src/lib.rs (`--wrap` is of GNU's and LLVM's ELF linkers).
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--wrap=mmap");
    }
}
