import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { assetPath } from "../../src/assets/index.ts";
import type { HostLayers } from "../../src/confine/index.ts";
import { tryLayers } from "../../src/confine/layers.ts";

/** A process that is confined as that of a machine is which starts nothing any more; an attacker's code runs in it. */

const source = `${import.meta.dir}/../../src`;

/** @returns what succeeded of what the process tried, once it had given up what `layers` can take */
function succeeding(layers: HostLayers): string[] {
  const script = `
    import { dlopen } from "bun:ffi";
    import { startNothingMore } from "${source}/confine/index.ts";
    const { symbols: libc } = dlopen("libc.so.6", {
      ptrace: { args: ["i64", "i32", "u64", "u64"], returns: "i64" },
      setpriority: { args: ["i32", "i32", "i32"], returns: "i32" },
    });
    const start = () => Bun.spawn(["sleep", "1000"], { stdio: ["ignore", "ignore", "ignore"] });
    // A child, so that the kernel itself lets it be traced.
    const other = start();
    const tries = {
      program: () => Bun.spawnSync(["true"]).success,
      signal: () => process.kill(other.pid, 0),
      group: () => process.kill(0, 0),
      priority: () => libc.setpriority(0, other.pid, 5) === 0,
      trace: () => libc.ptrace(0x4206, other.pid, 0, 0) === 0n,
      itself: () => process.kill(process.pid, 0),
      network: () => Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }).port > 0,
      file: () => require("node:fs").readFileSync("/etc/passwd").length > 0,
    };
    await startNothingMore({ mode: "auto", host: ${JSON.stringify(layers)} }, { seal() {} });
    const found = [];
    for (const [name, attempt] of Object.entries(tries)) {
      try { if (attempt()) found.push(name); } catch {}
    }
    // Those of the runtime that were there before, too.
    const { readdirSync, readFileSync } = require("node:fs");
    const isFree = (task) => /^Seccomp:\\s+0$/m.test(readFileSync("/proc/self/task/" + task + "/status", "utf8"));
    if (readdirSync("/proc/self/task").some(isFree)) found.push("a thread");
    console.log(JSON.stringify({ found, other: other.pid }));
    process.exit(0);`;
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", script], { stderr: "pipe" });
  if (stdout.length === 0) throw new Error(stderr.toString());
  const { found, other } = JSON.parse(stdout.toString());
  process.kill(other, "SIGKILL");
  return found;
}

test("a machine's process that starts nothing more starts no program, and reaches no process but itself", async () => {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-self-`);
  try {
    const host = await tryLayers(await assetPath("launcher", directory));
    expect(host.seccomp).not.toBe("none");
    const stays = ["itself", "network", "file"];
    expect(succeeding(host)).toEqual(stays);
    // The attempts are real.
    expect(succeeding({ ...host, seccomp: "none" })).toEqual([
      ...["program", "signal", "group", "priority", "trace"],
      ...[...stays, "a thread"],
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 60_000);
