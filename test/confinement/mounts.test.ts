import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { assetPath } from "../../src/assets/index.ts";

/** A directory that is shown to a VMM for reading, on which another filesystem is mounted: on NixOS, in containers. */

let directory: string;
let launcher: string;
const path = (name: string) => `${directory}/${name}`;

beforeAll(async () => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-mounts-`);
  const compiled = Bun.spawnSync([
    ...["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", path("attacker")],
    `${import.meta.dir}/attacker.c`,
  ]);
  if (!compiled.success) throw new Error(compiled.stderr.toString());
  launcher = await assetPath("launcher", path("cache"));
  mkdirSync(path("shown/mounted"), { recursive: true });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Tries it in a mount namespace in which `shown/mounted` is writable for all; prints the attacker's exit code. */
function attempt(what: string, on: string): string {
  const program = {
    profile: "qemu",
    command: [path("attacker"), what, on],
    environment: [],
    paths: [
      { path: path("attacker"), rights: "execute" },
      { path: path("shown"), rights: "library" },
    ],
    sockets: [],
    ...{ addressSpaceBytes: 2 ** 30, fileBytes: 2 ** 20, threads: 64 },
  };
  // Only what mounts do: no rule of Landlock's, no list of system calls.
  const layers = {
    landlock: 0,
    seccomp: "none",
    namespaces: "root",
    user: "none",
    cgroup: null,
    reasons: {},
  };
  const script = `
    const { planLaunch, startLauncher } = await import("${import.meta.dir}/../../src/confine/index.ts");
    const order = planLaunch(${JSON.stringify(program)}, { mode: "auto", host: ${JSON.stringify(layers)} });
    const child = startLauncher("${launcher}", order);
    const [{ code }, messages] = await Promise.all([child.exited, child.messages.text()]);
    console.log(code + messages);`;
  const shell = `mount -t tmpfs -o mode=1777 none ${path("shown/mounted")} &&
    echo text > ${path("shown/mounted/file")} && chmod 666 ${path("shown/mounted/file")} && exec "$0" -e "$1"`;
  const { stdout, stderr } = Bun.spawnSync([
    ...["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell, process.execPath, script],
  ]);
  return stdout.toString() + stderr.toString();
}

test("what is mounted below a directory is as read-only as that", () => {
  const file = path("shown/mounted/file");
  expect(attempt("read", file)).toBe("0\n");
  expect(attempt("write", file)).toBe("7\n");
  expect(attempt("create", path("shown/mounted/made"))).toBe("7\n");
}, 60_000);
