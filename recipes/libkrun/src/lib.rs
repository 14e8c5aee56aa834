//! libkrun as a shared library: `extern crate` keeps its exported C functions (`krun_*`) in the result.
extern crate krun as _;
