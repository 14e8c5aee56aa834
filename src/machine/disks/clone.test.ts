import { describe, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import fc from "fast-check";
import { type CloneProgress, cloneDisks } from "./clone.ts";
import { copySparse } from "./copy.ts";
import { allocated, format, GIB, hashOf, isClean, temporaryDirectory } from "./disks.fixture.ts";

const MIB = 1024 ** 2;

const noise = (length: number) => crypto.getRandomValues(Buffer.alloc(Math.min(length, 65_536)));

/** Writes noise over a range of a file. */
function scribble(file: number, at: number, length: number): void {
  const bytes = noise(length);
  for (let done = 0; done < length; done += bytes.length)
    writeSync(file, bytes, 0, Math.min(bytes.length, length - done), at + done);
}

/** A machine's directory with disks, and an empty one for its copy. */
function machines(root: string, megabytes = 8) {
  const [from, to] = [`${root}/from`, `${root}/to`];
  mkdirSync(from);
  mkdirSync(to);
  for (const name of ["overlay", "storage"]) {
    format(`${from}/${name}.ext4`, 2 * GIB, "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard");
    const file = openSync(`${from}/${name}.ext4`, "r+");
    // Into blocks that the filesystem does not use.
    scribble(file, GIB + 300 * MIB, megabytes * MIB);
    closeSync(file);
  }
  return { from, to };
}

test("a sparse copy has the same bytes, and no more of them than the original", async () => {
  using root = temporaryDirectory();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(64 * MIB), fc.integer({ min: 1, max: 3 * MIB })), { maxLength: 8 }),
      fc.nat(80 * MIB),
      async (pieces, size) => {
        const [from, to] = [`${root.path}/a`, `${root.path}/b`];
        const file = openSync(from, "w+");
        ftruncateSync(file, size);
        for (const [at, length] of pieces) scribble(file, at, length);
        closeSync(file);
        let last = 0;
        await copySparse(from, to, { onBytes: (bytes) => (last = bytes) });
        expect(hashOf(to)).toBe(hashOf(from));
        expect(statSync(to).size).toBe(statSync(from).size);
        // A filesystem allots whole blocks, and some more where it expects more to come.
        expect(allocated(to)).toBeLessThanOrEqual(allocated(from) + 64 * 1024 * (pieces.length + 1));
        expect(last).toBeLessThanOrEqual(allocated(from) + 64 * 1024);
        rmSync(to);
      },
    ),
    { numRuns: 30 },
  );
}, 60_000);

describe("a clone", () => {
  test("has both disks, whole and sparse, and the progress ends at the end", async () => {
    using root = temporaryDirectory();
    const { from, to } = machines(root.path);
    const seen: CloneProgress[] = [];
    const cloned = await cloneDisks(from, to, { onProgress: (progress) => seen.push(progress) });
    expect(cloned.map(({ name }) => name)).toEqual(["overlay", "storage"]);
    for (const { name, reflink } of cloned) {
      const [original, copy] = [`${from}/${name}.ext4`, `${to}/${name}.ext4`];
      expect(hashOf(copy)).toBe(hashOf(original));
      expect(isClean(copy)).toBe(true);
      expect(allocated(copy)).toBeLessThan(allocated(original) + MIB);
      expect(statSync(copy).mode & 0o777).toBe(0o600);
      const steps = seen.filter(({ disk }) => disk === name);
      // Which one it is depends on the filesystem that tests run on.
      if (reflink) expect(steps).toEqual([]);
      else expect(steps.at(-1)?.bytes ?? 0).toBeGreaterThanOrEqual(8 * MIB);
      for (const { bytes, total } of steps) expect(bytes).toBeLessThanOrEqual(total);
    }
    expect(readdirSync(to).sort()).toEqual(["overlay.ext4", "storage.ext4"]);
  });

  test("says as the system does whether it is a reflink", async () => {
    using root = temporaryDirectory();
    const { from, to } = machines(root.path, 1);
    const asked = Bun.spawnSync(["cp", "--reflink=always", `${from}/overlay.ext4`, `${root.path}/probe`]);
    const reflink = asked.exitCode === 0;
    expect(await cloneDisks(from, to)).toEqual([
      { name: "overlay", reflink },
      { name: "storage", reflink },
    ]);
  });

  test("of a machine that was never started has no disks, and of half of one half of them", async () => {
    using root = temporaryDirectory();
    const { from, to } = machines(root.path, 1);
    rmSync(`${from}/overlay.ext4`);
    expect((await cloneDisks(from, to)).map(({ name }) => name)).toEqual(["storage"]);
    rmSync(`${from}/storage.ext4`);
    rmSync(`${to}/storage.ext4`);
    expect(await cloneDisks(from, to)).toEqual([]);
    expect(readdirSync(to)).toEqual([]);
  });

  test("can be given up: its reason is thrown, and nothing is left", async () => {
    using root = temporaryDirectory();
    const { from, to } = machines(root.path);
    const signal = AbortSignal.abort();
    expect(await cloneDisks(from, to, { signal }).catch((error: Error) => error.name)).toBe("AbortError");
    expect(readdirSync(to)).toEqual([]);
    const enough = new AbortController();
    const reason = new Error("enough");
    const result = await cloneDisks(from, to, {
      signal: enough.signal,
      onProgress: ({ disk }) => disk === "storage" && enough.abort(reason),
    }).catch((error: unknown) => error);
    // A reflink is there before anybody could change their mind.
    if (Array.isArray(result)) expect(result.every(({ reflink }) => reflink)).toBe(true);
    else {
      expect(result).toBe(reason);
      expect(readdirSync(to)).toEqual([]);
    }
  });

  test("never touches a disk that is there", async () => {
    using root = temporaryDirectory();
    const { from, to } = machines(root.path, 1);
    writeFileSync(`${to}/storage.ext4`, "mine");
    expect(await cloneDisks(from, to).catch((error: unknown) => error)).toMatchObject({
      code: "disk.unusable",
    });
    expect(await Bun.file(`${to}/storage.ext4`).text()).toBe("mine");
    expect(existsSync(`${to}/overlay.ext4`)).toBe(false);
  });

  /** What a process of its own runs: clones, and prints how that went. */
  const PROGRAM = `
    import { cloneDisks } from "${import.meta.dir}/clone.ts";
    const [from, to, room] = process.argv.slice(1);
    try {
      await cloneDisks(from, to, { onProgress: () => console.log("copying") });
      console.log("done");
    } catch (error) {
      console.log(error.code ?? error.stack);
    }
  `;

  const isolated = (script: string, ...words: string[]) => [
    ...["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, ...words],
  ];

  async function lines(command: readonly string[]): Promise<string[]> {
    const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" });
    return [...new Set((await new Response(child.stdout).text()).trim().split("\n"))];
  }

  test("that cannot fit is not begun", async () => {
    using root = temporaryDirectory();
    const { from, to } = machines(root.path, 40);
    const script = 'mount -t tmpfs -o size=30m tmpfs "$0" || exit; "$@"; find "$0" -type f';
    expect(await lines(isolated(script, to, process.execPath, "-e", PROGRAM, from, to))).toEqual([
      "disk.no_space",
    ]);
  });

  test("whose room somebody else takes in the middle is a clear error, and leaves nothing", async () => {
    using root = temporaryDirectory();
    const { from, to } = machines(root.path, 20);
    // There is room for either disk and not for both: the first one is removed again, too.
    const script =
      'mount -t tmpfs -o size=50m tmpfs "$0" && head -c 20000000 /dev/zero > "$0/other" || exit; "$@"; ls "$0"';
    expect(await lines(isolated(script, to, process.execPath, "-e", PROGRAM, from, to))).toEqual([
      "copying",
      "disk.no_space",
      "other",
    ]);
    // A limit that only shows when it is met.
    const limited = ["sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", process.execPath, "-e", PROGRAM];
    expect(await lines([...limited, from, to])).toEqual(["disk.no_space"]);
    expect(readdirSync(to)).toEqual([]);
  });

  test("killed in the middle leaves the original as it was", async () => {
    using root = temporaryDirectory();
    const { from, to } = machines(root.path, 64);
    const before = [hashOf(`${from}/overlay.ext4`), hashOf(`${from}/storage.ext4`)];
    const child = Bun.spawn([process.execPath, "-e", PROGRAM, from, to], { stdout: "pipe" });
    await child.stdout.getReader().read();
    child.kill("SIGKILL");
    await child.exited;
    expect([hashOf(`${from}/overlay.ext4`), hashOf(`${from}/storage.ext4`)]).toEqual(before);
    // The directory has no machine's name yet: it is removed as a whole, and the next attempt has a fresh one.
    const again = `${root.path}/again`;
    mkdirSync(again);
    await cloneDisks(from, again);
    expect([hashOf(`${again}/overlay.ext4`), hashOf(`${again}/storage.ext4`)]).toEqual(before);
  });
});
