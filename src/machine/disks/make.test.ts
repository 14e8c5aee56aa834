import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { allocated, format, GIB, hashOf, header, isClean, temporaryDirectory } from "./disks.fixture.ts";
import { createDisk, keepDisk, type NewDisk } from "./make.ts";
import { inspectDisk } from "./superblock.ts";

const MIB = 1024 ** 2;

/** A disk that is to be made in a directory, from a template of 1 GiB there. */
function disk(directory: string, gib: number): NewDisk {
  const template = `${directory}/template`;
  if (!existsSync(template)) {
    format(template, GIB, "-E", "lazy_itable_init=1,nodiscard");
    chmodSync(template, 0o444);
  }
  return { name: "overlay", path: `${directory}/overlay.ext4`, gib, template };
}

const failure = async (action: () => unknown): Promise<unknown> => {
  try {
    await action();
    return undefined;
  } catch (error) {
    return error;
  }
};

describe.each([
  ["a disk that is thrown away", async (wanted: NewDisk) => createDisk(wanted)],
  ["a disk that lasts", async (wanted: NewDisk) => void (await keepDisk(wanted))],
])("%s", (_what, make) => {
  test.each([1, 3])("of %i GiB is a sparse copy of its template, for its owner alone", async (gib) => {
    using root = temporaryDirectory();
    const wanted = disk(root.path, gib);
    await make(wanted);
    expect(statSync(wanted.path)).toMatchObject({ size: gib * GIB });
    expect(statSync(wanted.path).mode & 0o777).toBe(0o600);
    expect(allocated(wanted.path)).toBeLessThan(2 * MIB);
    expect(isClean(wanted.path)).toBe(true);
    expect(header(wanted.path)).toMatchObject({
      "Filesystem state": "clean",
      "Filesystem UUID": header(wanted.template)["Filesystem UUID"] ?? "",
    });
    expect(inspectDisk(wanted.path)).toEqual({ damaged: false, unclean: false, grow: gib > 1 });
    expect(readdirSync(root.path).sort()).toEqual(["overlay.ext4", "template"]);
  });

  test("without its template is a clear error", async () => {
    using root = temporaryDirectory();
    const wanted = { ...disk(root.path, 1), template: `${root.path}/none` };
    expect(await failure(() => make(wanted))).toMatchObject({
      code: "disk.unusable",
      message: expect.stringContaining("make the overlay disk"),
    });
  });
});

describe("a disk that lasts", () => {
  test("stays what it is at later starts", async () => {
    using root = temporaryDirectory();
    const wanted = disk(root.path, 1);
    expect(await keepDisk(wanted)).toBe(true);
    const file = openSync(wanted.path, "r+");
    writeSync(file, "mine", 500 * MIB);
    closeSync(file);
    const before = hashOf(wanted.path);
    expect(await keepDisk(wanted)).toBe(false);
    expect(hashOf(wanted.path)).toBe(before);
  });

  test("is made anew when somebody has removed it, also beside what a killed start left", async () => {
    using root = temporaryDirectory();
    const wanted = disk(root.path, 1);
    await keepDisk(wanted);
    rmSync(wanted.path);
    writeFileSync(`${wanted.path}.new`, "half");
    expect(await keepDisk(wanted)).toBe(true);
    expect(isClean(wanted.path)).toBe(true);
    expect(readdirSync(root.path).sort()).toEqual(["overlay.ext4", "template"]);
  });

  test("grows, sparsely, with everything in it", async () => {
    using root = temporaryDirectory();
    const wanted = disk(root.path, 1);
    await keepDisk(wanted);
    const before = allocated(wanted.path);
    expect(await keepDisk({ ...wanted, gib: 5 })).toBe(false);
    expect(statSync(wanted.path).size).toBe(5 * GIB);
    expect(allocated(wanted.path)).toBe(before);
    expect(isClean(wanted.path)).toBe(true);
    expect(inspectDisk(wanted.path).grow).toBe(true);
  });

  test("never shrinks", async () => {
    using root = temporaryDirectory();
    const wanted = disk(root.path, 3);
    await keepDisk(wanted);
    expect(await failure(() => keepDisk({ ...wanted, gib: 2 }))).toMatchObject({
      code: "machine.disk_shrink",
      message:
        "overlay disk cannot be shrunk from 3 GiB to 2 GiB. Only expanding is supported to prevent data loss.",
    });
    truncateSync(wanted.path, 2.5 * GIB);
    expect(await failure(() => keepDisk({ ...wanted, gib: 2 }))).toMatchObject({
      message: expect.stringContaining("from 2.5 GiB to 2 GiB"),
    });
    expect(statSync(wanted.path).size).toBe(2.5 * GIB);
  });

  test("may lie elsewhere, behind a link, and must be a file", async () => {
    using root = temporaryDirectory();
    const wanted = disk(root.path, 1);
    mkdirSync(`${root.path}/elsewhere`);
    await keepDisk({ ...wanted, path: `${root.path}/elsewhere/disk` });
    symlinkSync("elsewhere/disk", wanted.path);
    expect(await keepDisk({ ...wanted, gib: 2 })).toBe(false);
    expect(statSync(`${root.path}/elsewhere/disk`).size).toBe(2 * GIB);
    rmSync(wanted.path);
    mkdirSync(wanted.path);
    expect(await failure(() => keepDisk(wanted))).toMatchObject({ code: "disk.unusable" });
  });
});

/** What a process of its own runs: makes sure that a disk is there, and prints how that went. */
const PROGRAM = `
  import { keepDisk } from "${import.meta.dir}/make.ts";
  try {
    console.log(await keepDisk(JSON.parse(process.argv[1])));
  } catch (error) {
    console.log(error.code ?? error.stack);
  }
`;

/** A template with more bytes than a moment is enough for. */
function heavyTemplate(directory: string): NewDisk {
  const template = `${directory}/template`;
  const file = openSync(template, "wx");
  const noise = crypto.getRandomValues(Buffer.alloc(65_536));
  for (let at = 0; at < 64 * MIB; at += noise.length) writeSync(file, noise, 0, noise.length, at);
  truncateSync(template, GIB);
  closeSync(file);
  return { name: "storage", path: `${directory}/machine/storage.ext4`, gib: 1, template };
}

describe("what goes wrong", () => {
  test("killed at any moment, there is a whole disk or none, and the next start makes one", async () => {
    using root = temporaryDirectory();
    const wanted = heavyTemplate(root.path);
    const whole = hashOf(wanted.template);
    let interrupted = 0;
    for (let delay = 0; delay < 240; delay += 20) {
      mkdirSync(`${root.path}/machine`);
      const child = Bun.spawn([process.execPath, "-e", PROGRAM, JSON.stringify(wanted)], {
        stdout: "ignore",
      });
      await Bun.sleep(delay);
      child.kill("SIGKILL");
      await child.exited;
      if (existsSync(wanted.path)) expect(hashOf(wanted.path)).toBe(whole);
      else interrupted += 1;
      await keepDisk(wanted);
      expect(readdirSync(`${root.path}/machine`)).toEqual(["storage.ext4"]);
      expect(hashOf(wanted.path)).toBe(whole);
      rmSync(`${root.path}/machine`, { recursive: true });
    }
    expect(interrupted).toBeGreaterThan(0);
  }, 60_000);

  const run = async (command: readonly string[]) => {
    const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" });
    return (await new Response(child.stdout).text()).trim();
  };

  test("a file size limit of the shell is a clear error, and leaves nothing", async () => {
    using root = temporaryDirectory();
    const wanted = heavyTemplate(root.path);
    mkdirSync(`${root.path}/machine`);
    const program = [process.execPath, "-e", PROGRAM, JSON.stringify(wanted)];
    expect(await run(["sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", ...program])).toBe("disk.no_space");
    expect(readdirSync(`${root.path}/machine`)).toEqual([]);
  }, 30_000);

  test("a full disk of the host in the middle is a clear error, and leaves nothing", async () => {
    using root = temporaryDirectory();
    const wanted = heavyTemplate(root.path);
    const machine = `${root.path}/machine`;
    // A small filesystem that only the processes of this test see.
    const script =
      'mkdir "$0"; mount -t tmpfs -o size=16m tmpfs "$0" || exit; "$@"; find "$0" -type f; df --output=used "$0" | tail -n 1';
    const program = [process.execPath, "-e", PROGRAM, JSON.stringify(wanted)];
    const isolated = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, machine];
    expect((await run([...isolated, ...program])).split(/\s+/)).toEqual(["disk.no_space", "0"]);
  }, 30_000);
});
