import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { seatbeltProfile } from "./index.ts";
import type { ConfinedProgram } from "./types.ts";

/** Its text only: no test of smolvm runs on macOS. */

const directory = realpathSync(mkdtempSync(`${tmpdir()}/smolvm-seatbelt-`));
afterAll(() => rmSync(directory, { recursive: true }));
mkdirSync(`${directory}/a "place"\\`);
for (const name of ["disk", "kernel", "program", 'a "place"\\/image'])
  writeFileSync(`${directory}/${name}`, "");
symlinkSync("disk", `${directory}/link`);

const program = (changes: Partial<ConfinedProgram> = {}): ConfinedProgram => ({
  profile: "qemu",
  command: [`${directory}/program`, "-kernel", "x"],
  environment: [],
  paths: [
    { path: `${directory}/kernel`, rights: "read" },
    { path: `${directory}/link`, rights: "write" },
    { path: `${directory}/a "place"\\/image`, rights: "read" },
    { path: `${directory}/missing`, rights: "library", optional: true },
  ],
  sockets: [{ path: `${directory}/agent`, fd: 10 }],
  ...{ addressSpaceBytes: 0, fileBytes: 0, threads: 1 },
  ...changes,
});

test("a VM on macOS writes its disks, reads its files, and reaches its own sockets and no network", () => {
  expect(seatbeltProfile(program()).replaceAll(directory, "DIRECTORY")).toMatchInlineSnapshot(`
    "(version 1)
    (allow default)
    (deny file-read-data file-read-xattr
      (subpath "/Users")
      (subpath "/Volumes")
      (subpath "/private/var/root")
      (subpath "/private/tmp")
      (subpath "/private/var/folders")
      (subpath "/Library/Keychains"))
    (allow file-read-data file-read-xattr
      (subpath "DIRECTORY/kernel")
      (subpath "DIRECTORY/link")
      (subpath "DIRECTORY/disk")
      (subpath "DIRECTORY/a \\"place\\"\\\\/image"))
    (deny file-write*)
    (allow file-write-data
      (subpath "DIRECTORY/link")
      (subpath "DIRECTORY/disk")
      (literal "/dev/null")
      (subpath "/dev/fd"))
    (deny network*)
    (allow network-outbound
      (remote unix-socket (path-literal "DIRECTORY/agent")))
    (deny process-fork)
    (deny process-exec*)
    (allow process-exec*
      (literal "DIRECTORY/program"))
    (deny signal (target others))
    (deny process-info* (target others))
    (deny mach-priv-task-port)
    (deny job-creation)
    (deny system-privilege)
    "
  `);
});

test("a profile is well shaped, whatever paths are called", () => {
  const text = seatbeltProfile(program());
  // Strings with their escapes go first; what is left are lists.
  const bare = text.replace(/"(?:[^"\\]|\\["\\])*"/g, "S");
  expect(bare).not.toContain('"');
  let depth = 0;
  for (const sign of bare) {
    if (sign === "(") depth++;
    if (sign === ")") depth--;
    expect(depth).toBeGreaterThanOrEqual(0);
  }
  expect(depth).toBe(0);
});

test("a VM without sockets or disks has no rule about everything in their place", () => {
  const text = seatbeltProfile(program({ paths: [], sockets: [] }));
  expect(text).not.toMatch(/\((?:allow|deny) (?:network-outbound|file-read-data file-read-xattr)\)/);
  expect(text).not.toContain("network-outbound");
});

test("a path that has to be there and is not is an error", () => {
  expect(() => seatbeltProfile(program({ paths: [{ path: `${directory}/none`, rights: "read" }] }))).toThrow(
    "ENOENT",
  );
});
