import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { noise } from "../src/pack/pack.fixture.ts";
import { seededRandom } from "../test/support/random.ts";
import { runtimeScript, testStub, VERSION, writeProgram } from "./stub.fixture.ts";

/** The launcher, with what watches its memory, in front of real packs. Its runtimes are shell scripts. */

setDefaultTimeout(60_000);
await testStub();

let home = "";
beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/smolvm-stub-`);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

interface Result {
  readonly output: string;
  readonly stderr: string;
  readonly code: number | null;
}

async function start(path: string, words: string[] = [], env: Record<string, string> = {}): Promise<Result> {
  const child = Bun.spawn([path, ...words], {
    env: { PATH: "/usr/bin:/bin", HOME: home, ASAN_OPTIONS: "detect_leaks=0", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const code = await child.exited;
  // An end by a signal, or with a report, is never right.
  expect(stderr).not.toMatch(/Sanitizer|runtime error:/);
  expect(child.signalCode).toBeNull();
  return { output, stderr, code };
}

const programs = () => `${home}/.cache/smolvm/programs`;
const runtimes = () => readdirSync(programs()).filter((name) => /^[0-9a-f]{32}$/.test(name));
const said = (path: string, name: string, ...words: string[]) =>
  `${["one", "__packed", path, name, ...words].join("\n")}\n0\n`;

describe("a packed program", () => {
  test.each(["zstd", "raw", "folded"] as const)(
    "unpacks a runtime (%s) once, and becomes it",
    async (encoding) => {
      const path = `${home}/a dir/my-app`;
      await writeProgram(path, { runtime: runtimeScript("one", 300_000), encoding });
      const first = await start(path, ["run", "--", "a b", ""], { BUN_OPTIONS: "--smol", BUN_BE_BUN: "1" });
      expect(first).toEqual({
        output: said(`${path}.smolmachine`, "my-app", "run", "--", "a b", ""),
        stderr: "",
        code: 7,
      });
      const file = `${programs()}/${runtimes()[0]}/smolvm`;
      const { ino, mode } = statSync(file);
      expect(mode & 0o777).toBe(0o555);
      expect(readFileSync(file).equals(runtimeScript("one", 300_000))).toBe(true);
      await start(path);
      expect(statSync(file).ino).toBe(ino);
      expect(readdirSync(`${programs()}/${runtimes()[0]}`).sort()).toEqual(["lock", "smolvm", "stamp"]);
    },
  );

  test("turns back the addresses of any code", async () => {
    const random = seededRandom("folded code");
    const next = (below: number) => Math.floor(random() * below);
    // Among few values, what stands before an address is dense, and distances lead everywhere, also out of the file.
    const values = [0xe8, 0x05, 0x0d, 0x48, 0x4f, 0x0f, 0x80, 0x8b, 0x8d, 0xff, 0x00, 0x01, 0x7f];
    for (let round = 0; round < 20; round++) {
      const code = Buffer.from(Array.from({ length: next(3000) }, () => values[next(values.length)] ?? 0));
      const runtime = Buffer.concat([runtimeScript("one"), code]);
      const path = `${home}/${round}/app`;
      await writeProgram(path, { runtime, encoding: "folded" });
      const { stderr } = await start(path, [], { SMOLVM_DATA_DIR: `${home}/${round}` });
      const unpacked = `${home}/${round}/cache/programs`;
      const file = readFileSync(`${unpacked}/${readdirSync(unpacked)[0]}/smolvm`);
      expect({ round, stderr, isSame: file.equals(runtime) }).toEqual({ round, stderr: "", isSame: true });
    }
  });

  test("works as one file, through links, moved, renamed, and from a directory that nobody may write to", async () => {
    await writeProgram(`${home}/one/app`, { runtime: runtimeScript("one"), singleFile: true });
    expect((await start(`${home}/one/app`)).output).toBe(said(`${home}/one/app`, "app"));
    await writeProgram(`${home}/two/app`, { runtime: runtimeScript("one") });
    mkdirSync(`${home}/bin`);
    symlinkSync("../two/app", `${home}/bin/tool`);
    symlinkSync("tool", `${home}/bin/again`);
    expect((await start(`${home}/bin/again`)).output).toBe(said(`${home}/two/app.smolmachine`, "again"));
    renameSync(`${home}/two`, `${home}/three`);
    for (const end of ["", ".smolmachine"]) renameSync(`${home}/three/app${end}`, `${home}/three/b${end}`);
    chmodSync(`${home}/three`, 0o555);
    expect((await start(`${home}/three/b`)).output).toBe(said(`${home}/three/b.smolmachine`, "b"));
    chmodSync(`${home}/three`, 0o755);
    renameSync(`${home}/three/b`, `${home}/three/c`);
    const alone = await start(`${home}/three/c`);
    expect(alone.stderr).toContain(`${home}/three/c.smolmachine is missing`);
    expect(alone.code).toBe(125);
  });

  test("without HOME takes that of the user's entry, or what variables say; a cache that cannot be is said", async () => {
    await writeProgram(`${home}/app`, { runtime: runtimeScript("one") });
    const bare = (env: Record<string, string>) =>
      Bun.spawnSync([`${home}/app`], { env: { ASAN_OPTIONS: "detect_leaks=0", ...env } });
    expect(bare({ SMOLVM_DATA_DIR: `${home}/data` }).exitCode).toBe(7);
    expect(existsSync(`${home}/data/cache/programs`)).toBe(true);
    expect(bare({ XDG_CACHE_HOME: `${home}/xdg` }).exitCode).toBe(7);
    expect(existsSync(`${home}/xdg/smolvm/programs`)).toBe(true);
    writeFileSync(`${home}/file`, "");
    const refused = bare({ SMOLVM_DATA_DIR: `${home}/file` });
    expect(refused.stderr.toString()).toContain("cannot write to the cache");
    expect(refused.exitCode).toBe(125);
  });

  test("twenty first starts at once unpack it once", async () => {
    await writeProgram(`${home}/app`, { runtime: runtimeScript("one", 3_000_000) });
    const results = await Promise.all(Array.from({ length: 20 }, () => start(`${home}/app`)));
    for (const { code, stderr } of results) expect({ code, stderr }).toEqual({ code: 7, stderr: "" });
    expect(runtimes()).toHaveLength(1);
  });

  test("heals a runtime that was changed, cut off, replaced or deleted, and survives what a killed one left", async () => {
    await writeProgram(`${home}/app`, { runtime: runtimeScript("one", 1000) });
    await start(`${home}/app`);
    const directory = `${programs()}/${runtimes()[0]}`;
    const file = `${directory}/smolvm`;
    const harms = [
      () => {
        writeFileSync(file, "#!/bin/sh\necho evil\n");
        utimesSync(file, 1, 1);
      },
      () => truncateSync(file, 20),
      () => rmSync(file),
      () => rmSync(`${directory}/stamp`),
      () => writeFileSync(`${file}.new`, "half"),
      () => rmSync(directory, { recursive: true }),
      () => rmSync(`${home}/.cache`, { recursive: true }),
    ];
    for (const harm of harms) {
      if (existsSync(file)) chmodSync(file, 0o755);
      harm();
      expect((await start(`${home}/app`)).output).toBe(said(`${home}/app.smolmachine`, "app"));
    }
  });

  /** So large that it takes some hundred milliseconds, with what watches the launcher's memory. */
  const LARGE = 8_000_000;

  test("killed at any moment while it unpacks leaves nothing that the next one minds", async () => {
    await writeProgram(`${home}/app`, { runtime: runtimeScript("one", LARGE), encoding: "raw" });
    const { code } = await start(`${home}/app`);
    expect(code).toBe(7);
    rmSync(`${home}/.cache`, { recursive: true });
    const env = { PATH: "/usr/bin:/bin", HOME: home, ASAN_OPTIONS: "detect_leaks=0" };
    for (let round = 0; round < 12; round++) {
      const child = Bun.spawn([`${home}/app`], { env, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
      await Bun.sleep(round * 25);
      child.kill("SIGKILL");
      await child.exited;
      for (const name of existsSync(programs()) ? runtimes() : []) {
        const file = `${programs()}/${name}/smolvm`;
        if (existsSync(file)) expect(statSync(file).size).toBe(runtimeScript("one", LARGE).length);
        expect(readdirSync(`${programs()}/${name}`)).not.toContain("smolvm.new");
      }
      if (round % 3 === 2) rmSync(`${home}/.cache`, { recursive: true, force: true });
    }
    expect(await start(`${home}/app`)).toMatchObject({ code: 7, stderr: "" });
    expect(readdirSync(`${programs()}/${runtimes()[0]}`).sort()).toEqual(["lock", "smolvm", "stamp"]);
  });

  test("whose cache is removed while it unpacks, or before it starts, unpacks once more", async () => {
    await writeProgram(`${home}/app`, { runtime: runtimeScript("one", LARGE), encoding: "raw" });
    for (let round = 0; round < 8; round++) {
      const starting = start(`${home}/app`);
      await Bun.sleep(round * 35);
      // As a user does, who minds no directory that is filled again meanwhile.
      Bun.spawnSync(["rm", "-rf", `${home}/.cache`], { stderr: "ignore" });
      const { output, stderr, code } = await starting;
      // The runtime is a script: its shell opens the file once more, and may come too late for that.
      const isGone = code === 127 || code === 2;
      if (!isGone) expect([output, stderr, code]).toEqual([said(`${home}/app.smolmachine`, "app"), "", 7]);
    }
    expect(await start(`${home}/app`)).toMatchObject({ code: 7, stderr: "" });
  });

  test("without room for the runtime says so and leaves nothing of it; with room it starts", async () => {
    // Noise, so that the packed bytes are as many.
    const runtime = Buffer.concat([runtimeScript("one"), noise(3_000_000, 1)]);
    await writeProgram(`${home}/app`, { runtime, encoding: "folded" });
    mkdirSync(`${home}/.cache`);
    const look = "find .cache -type f -size +0 | wc -l";
    const script = `cd ${home}; mount -t tmpfs -o size=2m none .cache; ./app; echo $?; ${look};
      mount -o remount,size=8m .cache; ./app | head -n 1; ${look}`;
    const user = process.getuid?.() === 0 ? [] : ["-r"];
    const words = ["unshare", ...user, "-m", "--propagation", "private", "bash", "-c", script];
    const env = { PATH: "/usr/bin:/bin", HOME: home, ASAN_OPTIONS: "detect_leaks=0" };
    const { stdout, stderr } = Bun.spawnSync(words, { env });
    // Then the program, and what says that it is right.
    expect(stdout.toString()).toBe("125\n0\none\n2\n");
    expect(stderr.toString()).toMatch(
      /^error: unpacking smolvm needs 4 MB, and .+ has no room\nhint: free some/,
    );
  });

  test("of several versions run side by side; of many, those used last stay", async () => {
    for (const version of [1, 2, 3, 4, 5, 6]) {
      await writeProgram(`${home}/app${version}`, { runtime: runtimeScript(`v${version}`) });
      expect((await start(`${home}/app${version}`)).output).toStartWith(`v${version}\n`);
    }
    expect(runtimes()).toHaveLength(4);
    expect((await start(`${home}/app1`)).output).toStartWith("v1\n");
    expect(runtimes()).toHaveLength(4);
  });
});

describe("an installed smolvm", () => {
  /** A program called smolvm that says its version, and how often it was asked. */
  function installed(version: string): Record<string, string> {
    mkdirSync(`${home}/bin`, { recursive: true });
    const script = `#!/bin/sh
      if [ "$1" = --version ]; then echo asked >>"$0.asked"; echo "${version}"; exit; fi
      echo installed "$1"`;
    writeFileSync(`${home}/bin/smolvm`, script, { mode: 0o755 });
    return { PATH: `relative:${home}/bin:/usr/bin:/bin` };
  }
  const asked = () => readFileSync(`${home}/bin/smolvm.asked`, "utf8").split("\n").length - 1;

  test("of this version or a newer one runs the pack, asked once; nothing is unpacked", async () => {
    await writeProgram(`${home}/app`, { runtime: runtimeScript("one") });
    for (const version of [VERSION, "1.10.0", "2.0.0"]) {
      rmSync(`${home}/bin`, { recursive: true, force: true });
      const env = installed(`smolvm ${version}`);
      for (const _ of [1, 2])
        expect((await start(`${home}/app`, [], env)).output).toBe("installed __packed\n");
      expect(asked()).toBe(1);
    }
    expect(runtimes()).toEqual([]);
  });

  test("that is older, another program, broken or a packed one is left alone", async () => {
    await writeProgram(`${home}/app`, { runtime: runtimeScript("one") });
    for (const answer of [
      "smolvm 1.2.2",
      "smolvm 0.9.9",
      "smolvm",
      "hello 9.9.9",
      `smolvm ${"9".repeat(500)}`,
      "",
    ]) {
      rmSync(`${home}/bin`, { recursive: true, force: true });
      const { output } = await start(`${home}/app`, [], installed(answer));
      expect(output).toBe(said(`${home}/app.smolmachine`, "app"));
    }
    rmSync(`${home}/bin`, { recursive: true, force: true });
    await writeProgram(`${home}/bin/smolvm`, { runtime: runtimeScript("one") });
    const { output } = await start(`${home}/bin/smolvm`, [], { PATH: `${home}/bin:/usr/bin:/bin` });
    expect(output).toBe(said(`${home}/bin/smolvm.smolmachine`, "smolvm"));
  });

  test("is what a pack without a runtime for this platform needs", async () => {
    for (const options of [{}, { runtime: runtimeScript("one"), platform: "darwin/arm64" }]) {
      await writeProgram(`${home}/app`, options);
      const { stderr, code } = await start(`${home}/app`);
      expect(stderr).toBe(
        `error: ${home}/app.smolmachine carries no smolvm for linux/amd64\nhint: install smolvm ${VERSION} or newer\n`,
      );
      expect(code).toBe(125);
    }
    expect((await start(`${home}/app`, [], installed("smolvm 9.0.0"))).output).toBe("installed __packed\n");
  });
});

describe("a hostile sidecar", () => {
  test("with lies about the runtime's size, or with other bytes in it, starts nothing and leaves nothing", async () => {
    const runtime = runtimeScript("one", 100_000);
    const packed = Buffer.from(Bun.zstdCompressSync(runtime));
    const cases = [
      { contentBytes: runtime.length - 1 },
      { contentBytes: runtime.length + 1 },
      { contentBytes: 2 ** 30 + 1 },
      { contentBytes: 10, stored: Buffer.from(Bun.zstdCompressSync(Buffer.alloc(50_000_000))) },
      { stored: packed.subarray(0, -10) },
      { stored: Buffer.concat([packed, Buffer.from("rest")]) },
      { stored: Buffer.from("no zstd at all") },
      { stored: Buffer.alloc(0) },
    ];
    for (const options of cases) {
      await writeProgram(`${home}/app`, { runtime, ...options });
      const { output, stderr, code } = await start(`${home}/app`);
      expect({ output, code }).toEqual({ output: "", code: 125 });
      expect(stderr).toMatch(/^error: .* is damaged\nhint: /);
      for (const name of existsSync(programs()) ? runtimes() : [])
        expect(readdirSync(`${programs()}/${name}`)).toEqual(["lock"]);
    }
  });

  test("with bits flipped anywhere, or cut off anywhere, is refused or harmless", async () => {
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`SEED=${seed}`);
    let state = seed;
    const next = (limit: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    await writeProgram(`${home}/app`, { runtime: runtimeScript("one", 500) });
    const sidecar = `${home}/app.smolmachine`;
    const intact = readFileSync(sidecar);
    const right = said(sidecar, "app");
    for (let round = 0; round < 400; round++) {
      const bytes = Buffer.from(intact);
      const at = next(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << next(8));
      writeFileSync(sidecar, round % 4 === 0 ? intact.subarray(0, at) : bytes);
      rmSync(`${home}/.cache`, { recursive: true, force: true });
      const { output, stderr, code } = await start(sidecar.slice(0, -".smolmachine".length));
      // Of what the launcher does not use (the disk, the manifest), the runtime itself finds out.
      if (code === 7) expect(output).toBe(right);
      else expect([output, code, /^error: .+\nhint: .+\n$/.test(stderr)]).toEqual(["", 125, true]);
    }
  });

  test("that is a directory, a FIFO, empty, upstream's or from the future is refused", async () => {
    await writeProgram(`${home}/app`, { runtime: runtimeScript("one") });
    const sidecar = `${home}/app.smolmachine`;
    const intact = readFileSync(sidecar);
    const versioned = (version: number) => {
      const bytes = Buffer.from(intact);
      bytes.writeUInt32LE(version, bytes.length - 56);
      return () => writeFileSync(sidecar, bytes);
    };
    const cases: [() => unknown, string][] = [
      [versioned(1), "version 1"],
      [versioned(17), "version 17"],
      [() => writeFileSync(sidecar, ""), "is not a pack"],
      [() => mkdirSync(sidecar), "is not a pack"],
      [() => Bun.spawnSync(["mkfifo", sidecar]), "is not a pack"],
    ];
    for (const [change, complaint] of cases) {
      rmSync(sidecar, { recursive: true });
      change();
      const { stderr, code } = await start(`${home}/app`);
      expect(stderr).toContain(complaint);
      expect(code).toBe(125);
    }
  });
});
