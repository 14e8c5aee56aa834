import { run } from "../../build/host.ts";
import { part } from "../../build/parts.ts";
import { findCargo } from "../../recipes/libkrun/cargo.ts";

const VERSION = "0.2.2";

/**
 * Path of pjdfstest, the tests of what POSIX asks of a filesystem, in its edition of the Rust package registry
 * (https://crates.io/crates/pjdfstest). Compiled once and kept in the build cache.
 */
export async function pjdfstest(): Promise<string> {
  const directory = await part("pjdfstest", { recipe: import.meta.path, pins: VERSION }, async (out) => {
    const cargo = await findCargo();
    const words = [
      "install",
      "--quiet",
      "--locked",
      "--no-track",
      "--version",
      VERSION,
      "--root",
      out,
      "pjdfstest",
    ];
    await run([cargo.command, ...words], { env: { ...cargo.env, CARGO_TARGET_DIR: `${out}/target` } });
    await run(["rm", "-r", `${out}/target`]);
  });
  return `${directory}/bin/pjdfstest`;
}
