//! libkrun as a shared library: `extern crate` keeps its exported C functions (`krun_*`) in the result.
extern crate krun as _;

#[cfg(target_os = "linux")]
mod guest_memory;
