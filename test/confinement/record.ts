import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { architectureOf } from "../../src/confine/index.ts";
import { profileOf } from "../../src/confine/seccomp/profiles.ts";
import { findQemu } from "../../src/engine/qemu/binary.ts";

/**
 * What QEMU calls while a command runs, such as the tests of whole programs, beside the list of what it may: what is not in
 * the list, what of the list was not used, and which arguments there were where they are checked. For who reviews
 * src/confine/seccomp/profiles.ts. VMs are unconfined meanwhile, and strace(1) follows them.
 *
 *     bun test/confinement/record.ts COMMAND ARGUMENT...
 */

const [command, ...words] = process.argv.slice(2);
const qemu = findQemu(process.env)?.path;
const architecture = architectureOf();
if (command === undefined || qemu === undefined || architecture === undefined)
  throw new Error("usage: record.ts COMMAND ARGUMENT...; with QEMU, on x86-64 or arm64");

/** Of each call whose arguments are checked: which of them. */
const checked: Record<string, readonly number[]> = {
  ...{ clone: [1], prctl: [0], ioctl: [1], fcntl: [1], openat: [2], open: [1] },
  ...{ mmap: [2, 3], mprotect: [2], socket: [0, 1] },
};

const directory = mkdtempSync(`${tmpdir()}/smolvm-record-`);
try {
  await record();
  report();
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function record(): Promise<void> {
  // Only where it runs a VM, and not for its version.
  const strace = `strace -D -f -qq -s 0 -o ${directory}/trace.$$`;
  const name = qemu?.split("/").at(-1);
  const script = `#!/bin/sh\ncase "$*" in *-kernel*) exec ${strace} ${qemu} "$@";; esac\nexec ${qemu} "$@"\n`;
  writeFileSync(`${directory}/${name}`, script);
  chmodSync(`${directory}/${name}`, 0o755);
  const env = { ...process.env, PATH: `${directory}:${process.env.PATH}`, SMOLVM_CONFINE: "off" };
  const child = Bun.spawn([command as string, ...words], { env, stdio: ["ignore", "inherit", "inherit"] });
  console.log(`the command ended with ${await child.exited}`);
}

function report(): void {
  const counts = new Map<string, number>();
  const values = new Map<string, Set<string>>();
  const files = readdirSync(directory).filter((name) => name.startsWith("trace."));
  for (const file of files)
    for (const [, name = "", rest = ""] of readFileSync(`${directory}/${file}`, "utf8").matchAll(
      /^\d+ +(\w+)\((.*)/gm,
    )) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      const given = rest.split(", ");
      for (const index of checked[name] ?? []) {
        const value = `${name}, argument ${index}: ${(given[index] ?? "").replace(/\).*| <unfinished.*/, "")}`;
        values.set(name, (values.get(name) ?? new Set()).add(value));
      }
    }
  const { allowed, refused } = profileOf("qemu", architecture as "x64" | "arm64");
  const listed = new Set(allowed.map((entry) => (typeof entry === "string" ? entry : entry.name)));
  const used = [...counts].sort(([, a], [, b]) => b - a);
  const isKnown = (name: string) => listed.has(name) || name in refused || name === "execve";
  const show = (title: string, lines: readonly string[]) =>
    console.log(`\n${title}\n  ${lines.join("\n  ")}`);
  show(
    `calls of ${files.length} VMs`,
    used.map(([name, count]) => `${name} ${count}`),
  );
  show(
    "refused, and done without",
    used.map(([name]) => name).filter((name) => name in refused),
  );
  show(
    "not in the list",
    used.map(([name]) => name).filter((name) => !isKnown(name)),
  );
  show(
    "in the list, and not used",
    [...listed].filter((name) => !counts.has(name)),
  );
  show(
    "arguments where they are checked",
    [...values.values()].flatMap((found) => [...found]),
  );
}
