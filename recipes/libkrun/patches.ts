import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

/** What is changed in a crate before it is compiled: a few numbers, never code of ours. */
export interface CratePatch {
  readonly crate: string;
  readonly edits: readonly Edit[];
}

interface Edit {
  /** Path within the crate. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly from: string;
  readonly to: string;
}

/**
 * KVM's interrupt controller on x86 has 24 pins; libkrun gives its devices the interrupts 5 to 15, as on a PC of the
 * eighties. With the other eight, the last row of pins, there is room for 19 devices instead of 11 (docs/design/devices.md, Room
 * for devices). The guest's kernel learns of pins from the MP table, which has to list them.
 */
export const patches: readonly CratePatch[] = [
  {
    crate: "krun-arch",
    edits: [
      {
        file: "src/x86_64/layout.rs",
        from: "pub const IRQ_MAX: u32 = 15;",
        to: "pub const IRQ_MAX: u32 = 23;",
      },
      {
        file: "src/x86_64/mptable.rs",
        from: "mem::size_of::<MpcIntsrcWrapper>() * 16\n",
        to: "mem::size_of::<MpcIntsrcWrapper>() * 24\n",
      },
      { file: "src/x86_64/mptable.rs", from: "    for i in 0..16 {\n", to: "    for i in 0..24 {\n" },
    ],
  },
];

/**
 * Copies a crate's source and makes the edits there.
 *
 * @throws Error when a place to edit is not there exactly once: the crate is another than the one this was written for
 */
export function patchCrate(patch: CratePatch, source: string, target: string): void {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  cpSync(source, target, { recursive: true });
  for (const { file, from, to } of patch.edits) {
    const path = `${target}/${file}`;
    const parts = readFileSync(path, "utf8").split(from);
    if (parts.length !== 2) {
      throw new Error(
        `${patch.crate}: ${file} has ${JSON.stringify(from)} ${parts.length - 1} times, not once`,
      );
    }
    writeFileSync(path, parts.join(to));
  }
}

/** A Cargo.lock in which a crate comes from a directory: without source and checksum. */
export function lockWithoutSource(lock: string, crate: string): string {
  const entry = new RegExp(
    `^(name = "${crate}"\\nversion = "[^"]+"\\n)source = "[^"]+"\\nchecksum = "[0-9a-f]{64}"\\n`,
    "m",
  );
  if (!entry.test(lock)) throw new Error(`Cargo.lock has no crate ${crate} of a registry`);
  return lock.replace(entry, "$1");
}
