import { beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { TemplateStore, templateName } from "./store.ts";

const NAME = templateName("a shape", "a build");
const OTHER = templateName("another shape", "a build");
const MARK = "0123456789abcdef";

/** A store in a directory of its own, which is removed at the end of the block. */
function temporaryStore(): TemplateStore & Disposable {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-templates-`);
  const store = new TemplateStore(directory);
  store.tryLock()?.release();
  return Object.assign(store, { [Symbol.dispose]: () => rmSync(directory, { recursive: true }) });
}

function publish(store: TemplateStore, name = NAME, mark = MARK): { memory: string; devices: string } {
  const files = store.files(name, mark);
  writeFileSync(files.memory, "m".repeat(100_000));
  writeFileSync(files.devices, "devices");
  store.publish(name, mark, "QEMU");
  return files;
}

const filesIn = ({ directory }: TemplateStore) => readdirSync(directory).sort();

describe("a template", () => {
  test("is found as it was published, and by no other name", () => {
    using store = temporaryStore();
    expect(store.find(NAME)).toBeUndefined();
    const files = publish(store);
    expect(store.find(NAME)).toEqual({ ...files, vmm: "QEMU" });
    expect(store.find(OTHER)).toBeUndefined();
    expect(store.report()).toMatchObject({ count: 1, failures: [] });
    expect(store.report().bytes).toBeGreaterThan(100_000);
  });

  test("takes the place of the one before, of which nothing stays", () => {
    using store = temporaryStore();
    publish(store);
    publish(store, OTHER);
    const { memory } = publish(store, NAME, "fedcba9876543210");
    expect(store.find(NAME)?.memory).toBe(memory);
    expect(filesIn(store)).toHaveLength(7);
  });

  test("is another one when its memory was cut, grown, copied or written to", () => {
    const changes: ((path: string) => void)[] = [
      (path) => truncateSync(path, 99_999),
      (path) => truncateSync(path, 100_001),
      (path) => writeFileSync(path, "n".repeat(100_000)),
      (path) => {
        copyFileSync(path, `${path}.copy`);
        renameSync(`${path}.copy`, path);
      },
      (path) => rmSync(path),
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
    ];
    for (const change of changes) {
      using store = temporaryStore();
      change(publish(store).memory);
      expect(store.find(NAME)).toBeUndefined();
    }
  });

  test("stays the one it is when others may read it, as root's VMs have to", () => {
    using store = temporaryStore();
    chmodSync(publish(store).memory, 0o404);
    expect(store.find(NAME)).toBeDefined();
  });

  test("is none when a byte of its devices, or of what is written about it, is another", () => {
    using store = temporaryStore();
    const { devices } = publish(store);
    const entry = `${store.directory}/${NAME}.json`;
    fc.assert(
      fc.property(
        fc.constantFrom(devices, entry),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (path, at, flip) => {
          const whole = readFileSync(path);
          const damaged = Buffer.from(whole);
          damaged[at % whole.length] = (damaged[at % whole.length] as number) ^ flip;
          writeFileSync(path, damaged);
          // What QEMU has saved is compared where it is restored: its version is the one part that may read otherwise.
          const found = store.find(NAME);
          expect(found === undefined || (path === entry && found.vmm !== "QEMU")).toBe(true);
          writeFileSync(path, whole.subarray(0, at % whole.length));
          expect(store.find(NAME)).toBeUndefined();
          writeFileSync(path, whole);
        },
      ),
      { numRuns: 300 },
    );
    expect(store.find(NAME)).toBeDefined();
  });

  test("ends with the host's boot", () => {
    using store = temporaryStore();
    publish(store);
    const entry = `${store.directory}/${NAME}.json`;
    const said = JSON.parse(readFileSync(entry, "utf8"));
    writeFileSync(entry, JSON.stringify({ ...said, boot: "an earlier one" }));
    expect(store.find(NAME)).toBeUndefined();
    store.tidy();
    expect(filesIn(store)).toEqual(["lock"]);
  });

  test("that was removed leaves nothing, and others alone", () => {
    using store = temporaryStore();
    publish(store);
    publish(store, OTHER);
    store.remove(NAME);
    expect(store.find(NAME)).toBeUndefined();
    expect(store.find(OTHER)).toBeDefined();
    expect(filesIn(store)).toHaveLength(4);
  });
});

describe("what fails", () => {
  let at = 0;
  beforeEach(() => {
    at += 1;
  });

  test("is not tried again for an hour, and then forgotten", () => {
    using store = temporaryStore();
    store.noteFailure(NAME, `reason ${at}`);
    expect(store.failure(NAME)).toBe(`reason ${at}`);
    expect(store.failure(OTHER)).toBeUndefined();
    expect(store.report()).toMatchObject({ count: 0, failures: [`reason ${at}`] });
    const path = `${store.directory}/${NAME}.failed`;
    for (const then of [Date.now() - 3601_000, Date.now() + 3600_000]) {
      writeFileSync(path, JSON.stringify({ reason: "old", at: then }));
      expect(store.failure(NAME)).toBeUndefined();
    }
    store.tidy();
    expect(existsSync(path)).toBe(false);
  });

  test("is forgotten once it works", () => {
    using store = temporaryStore();
    store.noteFailure(NAME, "no room");
    publish(store);
    expect(store.failure(NAME)).toBeUndefined();
  });

  test("and was damaged is none", () => {
    using store = temporaryStore();
    for (const text of ["", "{", "null", "[]", '{"reason":1,"at":2}', '{"reason":"x"}']) {
      writeFileSync(`${store.directory}/${NAME}.failed`, text);
      expect(store.failure(NAME)).toBeUndefined();
    }
  });
});

describe("room", () => {
  test("is made by removing what was not used for the longest time", () => {
    using store = temporaryStore();
    const names = ["a", "b", "c"].map((shape) => templateName(shape, ""));
    for (const [index, name] of names.entries()) {
      publish(store, name);
      utimesSync(`${store.directory}/${name}.json`, 1000 + index, 1000 + index);
    }
    const [first = "", second = "", third = ""] = names;
    expect(store.find(first)).toBeDefined(); // used just now
    store.tidy(third, 300_000);
    expect(names.map((name) => store.find(name) !== undefined)).toEqual([true, false, true]);
    store.tidy(second, 0);
    expect(filesIn(store)).toEqual(["lock"]);
  });

  test("is made by removing what nobody has finished", () => {
    using store = temporaryStore();
    writeFileSync(store.files(NAME, MARK).memory, "m");
    publish(store, OTHER);
    store.tidy();
    expect(filesIn(store)).toHaveLength(4);
  });

  test("is made by removing everything, unless one is being made", () => {
    using store = temporaryStore();
    publish(store);
    store.noteFailure(OTHER, "no room");
    mkdirSync(`${store.directory}/making`);
    const lock = store.tryLock();
    expect(store.clear(false)).toBe(0);
    expect(store.tryLock()).toBeUndefined();
    lock?.release();
    expect(store.clear(true)).toBeGreaterThan(100_000);
    expect(store.find(NAME)).toBeDefined();
    expect(store.clear(false)).toBeGreaterThan(100_000);
    expect(filesIn(store)).toEqual(["lock"]);
    expect(store.report()).toEqual({ count: 0, bytes: 0, failures: [] });
  });
});

test("another build of the program has other templates", () => {
  expect(templateName("a shape", "another build")).not.toBe(NAME);
});
