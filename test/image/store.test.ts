import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { SmolError } from "../../src/errors.ts";
import { tarOf } from "../../src/image/image.fixture.ts";
import { openLocalImage } from "../../src/image/index.ts";
import { readErofs } from "./erofs-reader.ts";
import { writeLayout } from "./layout.ts";
import { leftovers, requireRoot, run, Scratch } from "./tools.ts";

setDefaultTimeout(180_000);

const random = (size: number) => {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
};

let scratch: Scratch;
/** An archive of 40 MB with an image inside. */
let archive: string;

beforeAll(async () => {
  scratch = new Scratch();
  const layout = scratch.directory("layout");
  const files = Array.from({ length: 40 }, (_, index) => ({ path: `f${index}`, data: random(1_000_000) }));
  writeLayout(layout, [tarOf(...files), tarOf({ path: ".wh.f3" }, { path: "f4", data: "new" })], {
    compression: "gzip",
  });
  archive = join(scratch.path, "image.tar");
  run(["tar", "--create", `--file=${archive}`, `--directory=${layout}`, "."]);
  // Sources that changed only just now are read again: see source-index.ts.
  await Bun.sleep(60);
});

afterAll(() => scratch[Symbol.dispose]());

function never(): never {
  throw new Error("no such file");
}

const program = join(import.meta.dir, "open-image.ts");

describe("a second time", () => {
  test("nothing is read again, also for a copy, and the file stays as it is", async () => {
    const cacheDir = scratch.directory("again");
    const first = await openLocalImage(archive, { cacheDir });
    await first.durable;
    const state = () => {
      const files = readdirSync(join(cacheDir, "images"), { recursive: true }).map(String).sort();
      return files
        .filter((name) => /\.(erofs|data|entries|json)$/.test(name))
        .map((name) => {
          const { ino, size, mtimeNs, ctimeNs } = statSync(join(cacheDir, "images", name), { bigint: true });
          return `${name} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
        });
    };
    const before = state();
    // Read, but not made again.
    const copy = join(scratch.path, "copy.tar");
    run(["cp", archive, copy]);
    const second = await openLocalImage(copy, { cacheDir });
    const start = performance.now();
    const third = await openLocalImage(archive, { cacheDir });
    expect(performance.now() - start).toBeLessThan(50);
    for (const image of [second, third]) {
      const { id, path, config, sizeBytes } = first;
      expect(image).toMatchObject({ id, path, config, sizeBytes, cached: true });
    }
    expect(before).toHaveLength(6);
    expect(state()).toEqual(before);
  });

  test("an archive that changed is read again, even with the old time and size", async () => {
    const cacheDir = scratch.directory("changed");
    const path = join(scratch.path, "changing.tar");
    const write = (name: string) =>
      writeFileSync(path, tarOf({ path: "etc/", type: "5" }, { path: `etc/${name}` }));
    write("one");
    const { atime, mtime } = statSync(path);
    await Bun.sleep(60);
    const first = await openLocalImage(path, { cacheDir });
    expect((await openLocalImage(path, { cacheDir })).cached).toBe(true);
    write("two");
    utimesSync(path, atime, mtime);
    const second = await openLocalImage(path, { cacheDir });
    expect(second.id).not.toBe(first.id);
    expect(readErofs(second.path).has("/etc/two")).toBe(true);
  });

  test("a directory that changed is read again", async () => {
    const cacheDir = scratch.directory("directory-cache");
    const root = scratch.directory("directory");
    run(["sh", "-ec", "mkdir etc; echo a > etc/a; ln -s a etc/l"], { cwd: root });
    await Bun.sleep(60);
    const first = await openLocalImage(root, { cacheDir });
    const ids = new Set([first.id]);
    expect((await openLocalImage(root, { cacheDir })).cached).toBe(true);
    for (const change of [
      "echo b > etc/a",
      "chmod 700 etc/a",
      "ln etc/a etc/b",
      "rm etc/l",
      "setfattr -n user.x -v y etc/a",
    ]) {
      run(["sh", "-ec", change], { cwd: root });
      const image = await openLocalImage(root, { cacheDir });
      expect([change, ids.has(image.id)]).toEqual([change, false]);
      ids.add(image.id);
      await Bun.sleep(60);
    }
  });
});

describe("a damaged cache", () => {
  /** The files of an image, by kind; of its layers, those of the lowest. */
  const parts = (path: string) => {
    const description = path.replace(".vmdk", ".json");
    const { layers } = JSON.parse(readFileSync(description, "utf8")) as { layers: { diffId: string }[] };
    const layer = join(path, "../layers", layers[0]?.diffId.slice("sha256:".length) ?? "");
    return {
      description,
      metadata: path.replace(".vmdk", ".erofs"),
      descriptor: path,
      data: `${layer}.data`,
      entries: `${layer}.entries`,
    };
  };
  type Part = keyof ReturnType<typeof parts>;
  const edit = (path: string, change: (text: string) => string) =>
    writeFileSync(path, change(readFileSync(path, "latin1")), "latin1");
  const flip = (at: number) => (path: string) =>
    edit(path, (text) => {
      const end = at < 0 ? text.length + at : at;
      return text.slice(0, end) + String.fromCharCode(text.charCodeAt(end) ^ 1) + text.slice(end + 1);
    });

  const damages: Record<string, [Part[], (path: string) => void]> = {
    shorter: [
      ["metadata", "descriptor", "data", "entries"],
      (path) => truncateSync(path, statSync(path).size - 1),
    ],
    longer: [
      ["metadata", "descriptor", "data", "entries"],
      (path) => truncateSync(path, statSync(path).size + 4096),
    ],
    empty: [["description", "metadata", "descriptor", "data", "entries"], (path) => truncateSync(path, 0)],
    missing: [["description", "metadata", "descriptor", "data", "entries"], (path) => rmSync(path)],
    "changed at its start": [["metadata"], flip(1100)],
    "changed in its head": [["entries"], flip(33)],
    "changed in the name of a file": [
      ["descriptor"],
      (path) => edit(path, (text) => text.replace("layers/", "layers//")),
    ],
    "of another image": [
      ["description"],
      (path) => edit(path, (text) => text.replace(/"id":"sha256:./, '"id":"sha256:g')),
    ],
    "of another version": [
      ["description"],
      (path) => edit(path, (text) => text.replace(/"format":\d+/, '"format":1')),
    ],
    "of another shape": [
      ["description"],
      (path) => edit(path, (text) => text.replace(/"layers":\[/, '"layers":[null,')),
    ],
    "written before a power cut": [
      ["description"],
      (path) => edit(path, (text) => text.replace(/"writtenInBoot":"[^"]*"/, '"writtenInBoot":"x"')),
    ],
    "not safe from a power cut": [
      ["entries"],
      (path) => edit(path, (text) => `${text.slice(0, 120)}another boot${text.slice(132)}`),
    ],
  };
  for (const [what, [names, damage]] of Object.entries(damages)) {
    for (const name of names) {
      test(`${name} ${what}: noticed and made again`, async () => {
        using own = new Scratch();
        const good = await openLocalImage(archive, { cacheDir: own.path });
        await good.durable;
        const files = parts(good.path);
        const { description: _, ...kept } = files;
        const before = Object.values(kept).map((path) => readFileSync(path));
        damage(files[name]);
        const again = await openLocalImage(archive, { cacheDir: own.path });
        await again.durable;
        expect([again.id, again.cached]).toEqual([good.id, false]);
        expect(
          Object.values(kept).every((path, index) => readFileSync(path).equals(before[index] ?? never())),
        ).toBe(true);
        expect((await openLocalImage(archive, { cacheDir: own.path })).cached).toBe(true);
      });
    }
  }

  test("entries that changed inside: noticed when an image is made of them, and unpacked again", async () => {
    using own = new Scratch();
    const good = await openLocalImage(archive, { cacheDir: own.path });
    await good.durable;
    const files = parts(good.path);
    const before = [readFileSync(files.entries), readFileSync(files.metadata)];
    flip(-5)(files.entries);
    rmSync(files.metadata);
    const again = await openLocalImage(archive, { cacheDir: own.path });
    await again.durable;
    expect(readErofs(again.path).size).toBe(40);
    expect([readFileSync(files.entries), readFileSync(files.metadata)]).toEqual(before);
  });
});

describe("many processes", () => {
  test("20 at once make one image, and all get it", async () => {
    const cacheDir = scratch.directory("many");
    const processes = Array.from({ length: 20 }, () =>
      Bun.spawn([process.execPath, program, archive, cacheDir], { stdout: "pipe", stderr: "inherit" }),
    );
    const results = await Promise.all(processes.map((one) => new Response(one.stdout).text()));
    const opened = results.map((text) => JSON.parse(text) as { id: string; path: string; cached: boolean });
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1);
    expect(opened.filter(({ cached }) => !cached)).toHaveLength(1);
    const image = await openLocalImage(archive, { cacheDir });
    expect([image.cached, readErofs(image.path).size]).toEqual([true, 40]);
    const files = readdirSync(join(cacheDir, "images"), { recursive: true }).map(String);
    const kinds = files
      .filter((name) => !/^(sources|layers|store\.lock)$/.test(name))
      .map((name) => name.replace(/[0-9a-f]{16,}/, "*"));
    expect(kinds.sort()).toEqual([
      "*.erofs",
      "*.json",
      "*.vmdk",
      ...["layers/*.data", "layers/*.data", "layers/*.entries", "layers/*.entries"],
      "sources/*",
    ]);
  });

  test("kill -9 at any moment leaves nothing that matters, and the next one succeeds", async () => {
    const cacheDir = scratch.directory("killed");
    for (let round = 0; round < 25; round++) {
      const child = Bun.spawn([process.execPath, program, archive, cacheDir], {
        stdout: "ignore",
        stderr: "ignore",
      });
      await Bun.sleep(20 + round * 12);
      child.kill(9);
      await child.exited;
      // Complete files only; locks that nobody holds, until the next one sweeps them.
      for (const name of existsSync(cacheDir) ? leftovers(cacheDir) : [])
        expect(name).toMatch(/\.(erofs|vmdk|json|lock|data|entries)$|sources/);
      const image = await openLocalImage(archive, { cacheDir });
      expect(readErofs(image.path).size).toBe(40);
      rmSync(cacheDir, { recursive: true });
    }
  });
});

describe("when it cannot be done", () => {
  const failure = async (source: string, cacheDir: string, signal?: AbortSignal) => {
    try {
      await openLocalImage(source, { cacheDir, signal });
      return "done";
    } catch (error) {
      return error instanceof SmolError ? `${error.code}: ${error.message}` : String(error);
    }
  };

  test("a full disk", async () => {
    using own = new Scratch();
    // A filesystem of its own, in a mount namespace of its own: the host sees neither.
    const script = `mount -t tmpfs -o size=8m none "$1" && "$2" "$3" "$4" "$1/cache"; echo; find "$1/cache" -type f ! -name store.lock`;
    const output = run([
      "unshare",
      "--mount",
      "sh",
      "-c",
      script,
      "sh",
      own.path,
      process.execPath,
      program,
      archive,
    ]);
    expect(output).toContain('"code":"image.no_space"');
    expect(output.trim().split("\n")).toHaveLength(1);
  });

  test("a limit on the size of files", async () => {
    using own = new Scratch();
    const output = run([
      "sh",
      "-c",
      'ulimit -f 8000; "$@"',
      "sh",
      process.execPath,
      program,
      archive,
      own.path,
    ]);
    expect(output).toContain('"code":"image.too_large"');
    expect(leftovers(own.path)).toEqual([]);
  });

  test("sources that cannot be read, or are no images", async () => {
    using own = new Scratch();
    const file = (name: string, bytes: string | Uint8Array) => {
      const path = join(own.path, name);
      writeFileSync(path, bytes);
      return path;
    };
    const packed = (tool: string) =>
      new Uint8Array(Bun.spawnSync([tool, "-c"], { stdin: tarOf({ path: "etc/file" }) }).stdout);
    const sources = {
      missing: join(own.path, "missing"),
      empty: file("empty", ""),
      text: file("text", "hello ".repeat(500)),
      elf: "/proc/self/exe",
      short: file("short", "hello"),
      dockerfile: file("Dockerfile", "FROM debian\n"),
      recipe: file("recipe", "# syntax=docker/dockerfile:1\nFROM debian\nRUN x\n".repeat(30)),
      xz: file("xz", packed("xz")),
      bzip2: file("bzip2", packed("bzip2")),
      xzInGzip: file("xz.gz", Bun.gzipSync(packed("xz"))),
      otherTar: file("other.tar", tarOf({ path: "src/main.c", data: "int main;" })),
      cut: file("cut", readFileSync(archive).subarray(0, 3_000_000)),
      gzipOfText: file("text.gz", Bun.gzipSync(Buffer.from("hello ".repeat(500)))),
      fifo: run(["sh", "-c", 'mkfifo "$1/fifo"; printf %s "$1/fifo"', "sh", own.path]),
    };
    const found: Record<string, string> = {};
    for (const [name, source] of Object.entries(sources)) {
      const result = await failure(source, join(own.path, "cache"));
      found[name] = result.replaceAll(own.path, "DIR");
    }
    expect(found).toMatchInlineSnapshot(`
      {
        "bzip2": "image.unsupported_compression: DIR/bzip2 is compressed with bzip2; what can be read is plain, gzip and zstd",
        "cut": "image.bad_archive: damaged or unsupported tar archive: it ends in the middle of a member",
        "dockerfile": "image.not_an_image: DIR/Dockerfile is a recipe for an image, not an image",
        "elf": "image.unknown_format: not a container image: /proc/self/exe: it is a program",
        "empty": "image.unknown_format: not a container image: DIR/empty: it is empty",
        "fifo": "image.unknown_format: neither a file nor a directory: DIR/fifo",
        "gzipOfText": "image.unknown_format: not a container image: DIR/text.gz: it is not an archive",
        "missing": "image.unreadable: cannot read DIR/missing: no such file",
        "otherTar": "image.unknown_format: not a container image: DIR/other.tar: the archive holds neither a saved image nor a root filesystem",
        "recipe": "image.not_an_image: DIR/recipe is a recipe for an image, not an image",
        "short": "image.unknown_format: not a container image: DIR/short: it is too short for an archive",
        "text": "image.unknown_format: not a container image: DIR/text: it is not an archive",
        "xz": "image.unsupported_compression: DIR/xz is compressed with xz; what can be read is plain, gzip and zstd",
        "xzInGzip": "image.unsupported_compression: DIR/xz.gz is compressed with xz; what can be read is plain, gzip and zstd",
      }
    `);
    expect(leftovers(join(own.path, "cache"))).toEqual([]);
  });

  test("a file in a directory that the user may not read", async () => {
    requireRoot();
    using own = new Scratch();
    const built = await Bun.build({ entrypoints: [program], target: "bun", outdir: own.path });
    const script = `
      mkdir -p "$1/root/etc" "$1/cache"; echo secret > "$1/root/etc/shadow"
      chmod 755 "$1" "$1/root" "$1/root/etc"; chmod 600 "$1/root/etc/shadow"; chmod 777 "$1/cache"
      setpriv --reuid 65534 --regid 65534 --clear-groups "$2" "$3" "$1/root" "$1/cache"`;
    const output = run(["sh", "-ec", script, "sh", own.path, process.execPath, built.outputs[0]?.path ?? ""]);
    expect(JSON.parse(output)).toEqual({
      code: "image.unreadable",
      message: `cannot read ${own.path}/root/etc/shadow: permission denied`,
    });
    expect(leftovers(join(own.path, "cache"))).toEqual([]);
  });

  test("a cache that is a file, or cannot be written", async () => {
    using own = new Scratch();
    const path = join(own.path, "file");
    writeFileSync(path, "");
    expect(await failure(archive, path)).toContain("image.write_failed");
  });

  test("an interruption ends it, and nothing is left", async () => {
    for (const delay of [0, 2, 5, 10]) {
      using own = new Scratch();
      const reason = new Error("interrupted");
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), delay);
      expect(await failure(archive, own.path, controller.signal)).toBe("Error: interrupted");
      expect(leftovers(own.path)).toEqual([]);
    }
  });
});

test("what killed processes left is swept", async () => {
  const { NewFile, sweepLeftovers } = await import("../../src/image/newfile.ts");
  using own = new Scratch();
  const target = join(own.path, "file");
  writeFileSync(target, "old");
  const file = new NewFile(own.path);
  writeFileSync(file.fd, "new");
  file.commit(target);
  expect([readFileSync(target, "utf8"), readdirSync(own.path)]).toEqual(["new", ["file"]]);
  renameSync(target, join(own.path, ".file.123.tmp"));
  writeFileSync(target, "kept");
  writeFileSync(join(own.path, "abc.lock"), "");
  sweepLeftovers(own.path);
  expect(readdirSync(own.path)).toEqual(["file"]);
});
