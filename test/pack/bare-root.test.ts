import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { imageWith } from "../support/images.ts";
import { collect, limitOf } from "../support/process.ts";
import { onQemu, useHome } from "../support/register.ts";

/**
 * A packed program in a root that has nothing else: no shell, no tools, no /etc, no home, no smolvm; only the C library
 * of a glibc system, and QEMU with what that needs. bubblewrap makes it, in namespaces of its own.
 */

const home = useHome();
const work = mkdtempSync("/tmp/sv-bare-");
afterAll(() => rmSync(work, { recursive: true, force: true }));

let qemu: string;
beforeAll(
  async () => {
    const found = Bun.which(process.arch === "arm64" ? "qemu-system-aarch64" : "qemu-system-x86_64");
    if (found === null) throw new Error("there is no QEMU here: it comes with ./dev test");
    qemu = realpathSync(found);
    mkdirSync(`${work}/a place`);
    const image = await imageWith({ Entrypoint: ["/bin/sh", "-c"], Cmd: ["echo bare; exit 5"] });
    for (const [name, ...options] of [["two files"], ["one file", "--single-file"]]) {
      const words = ["-q", "--image", image, "-o", `${work}/a place/${name}`, ...options];
      const made = await home.smolvm(["pack", "create", ...words, "--mem", "256"], { seconds: 300 });
      if (made.exitCode !== 0) throw new Error(made.stderr);
    }
  },
  { timeout: limitOf({ seconds: 320 }) },
);

/** Directories of shared libraries, as the loader knows them, and the data of QEMU. */
const LIBRARIES = ["/lib", "/lib64", "/usr/lib", "/usr/share/qemu", "/usr/share/seabios"];

/** Runs a program of the read-only folder /packed; it may write to `state` alone, which is /state inside. */
async function bare(state: string, program: string, words: readonly string[] = []) {
  mkdirSync(state, { recursive: true });
  const inside = [
    ...["--unshare-all", "--die-with-parent", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"],
    ...LIBRARIES.flatMap((path) => ["--ro-bind-try", path, path]),
    ...["--ro-bind", qemu, `/usr/bin/${qemu.slice(qemu.lastIndexOf("/") + 1)}`],
    ...["--ro-bind", `${work}/a place`, "/packed", "--bind", state, "/state", "--chdir", "/"],
    ...["--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "SMOLVM_DATA_DIR", "/state"],
    ...["--setenv", "SMOLVM_TEMPLATES", "off"],
  ];
  const child = Bun.spawn(["bwrap", ...inside, "--", `/packed/${program}`, ...words], {
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  return await collect(child, `${program} ${words.join(" ")}`, limitOf({ seconds: 120 }));
}

describe("in a root without any tools", () => {
  onQemu(
    "a packed program runs from a read-only folder with spaces, and again without unpacking anything",
    async () => {
      for (const program of ["two files", "one file"]) {
        const state = `${work}/state of ${program}`;
        expect(await bare(state, program)).toMatchObject({ output: "bare\n", exitCode: 5 });
        const [runtime = ""] = readdirSync(`${state}/cache/programs`).filter((name) => name.length === 32);
        expect(readdirSync(`${state}/cache/programs/${runtime}`).sort()).toEqual(["lock", "smolvm", "stamp"]);
        const again = await bare(state, program, ["cat /proc/1/comm; ls /sys >&2; exit 6"]);
        expect(again).toMatchObject({ exitCode: 6 });
        expect((await bare(state, program, ["--version"])).output).toStartWith(`${program} `);
      }
    },
    300,
  );
});
