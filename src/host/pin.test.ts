import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { addPin, pinnedIds, pinsOf, removePin, sweepPins } from "./pin.ts";

function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(`${tmpdir()}/smolvm-pin-`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const ID = "a".repeat(64);
const OTHER = "b".repeat(64);

/** A machine's record, in a directory of its name. */
function record(root: string, name: string, text: string): string {
  mkdirSync(`${root}/machines/${name}`, { recursive: true });
  writeFileSync(`${root}/machines/${name}/machine.json`, text);
  return `${root}/machines/${name}/machine.json`;
}

const machinesOf = (pins: string, id = ID) => pinsOf(pins, id).live.map(({ machine }) => machine);

describe("a pin", () => {
  test("counts as long as the record is there and has the id", async () => {
    using root = temporaryDirectory();
    const pins = `${root.path}/cache/pins`;
    expect(pinsOf(pins, ID)).toEqual({ live: [], stale: [] });
    expect(existsSync(pins)).toBe(false);
    const web = record(root.path, "web", `{"imageId":"sha256:${ID}"}`);
    await addPin(pins, ID, web);
    await addPin(pins, ID, web);
    await addPin(pins, OTHER, web);
    expect(readdirSync(pins)).toHaveLength(2);
    expect(pinsOf(pins, ID)).toEqual({ live: [{ record: web, machine: "web" }], stale: [] });
    expect(pinsOf(pins, OTHER)).toMatchObject({ live: [], stale: [expect.stringContaining(OTHER)] });
    writeFileSync(web, `{"version":77,"images":{"main":{"id":"${OTHER}"}}}`);
    expect([machinesOf(pins), machinesOf(pins, OTHER)]).toEqual([[], ["web"]]);
    rmSync(web);
    expect([machinesOf(pins), machinesOf(pins, OTHER)]).toEqual([[], []]);
  });

  test("may be made before its record, and is one of several, sorted by the machines' names", async () => {
    using root = temporaryDirectory();
    const pins = `${root.path}/pins`;
    for (const name of ["web", "db", "cache"])
      await addPin(pins, ID, `${root.path}/machines/${name}/machine.json`);
    expect(machinesOf(pins)).toEqual([]);
    for (const name of ["web", "db"]) record(root.path, name, ID);
    expect(machinesOf(pins)).toEqual(["db", "web"]);
    removePin(pins, ID, `${root.path}/machines/db/machine.json`);
    removePin(pins, ID, `${root.path}/machines/db/machine.json`);
    expect(machinesOf(pins)).toEqual(["web"]);
    sweepPins(pins, ID);
    expect(readdirSync(pins)).toHaveLength(1);
    expect(pinnedIds(pins)).toEqual(new Set([ID]));
  });

  test("whose record cannot be read counts; what is no pin, and no record, does not", async () => {
    using root = temporaryDirectory();
    const pins = `${root.path}/pins`;
    const web = record(root.path, "web", "{}");
    await addPin(pins, ID, web);
    rmSync(web);
    mkdirSync(web);
    expect(pinsOf(pins, ID)).toMatchObject({ live: [], stale: [expect.any(String)] });
    rmSync(web, { recursive: true });
    symlinkSync("machine.json", web);
    expect(machinesOf(pins)).toEqual([]);
    writeFileSync(`${pins}/${ID}-file`, "");
    expect(pinsOf(pins, ID).stale).toHaveLength(2);
    // Root reads everything.
    if (process.getuid?.() === 0) return;
    rmSync(web);
    record(root.path, "web", "{}");
    chmodSync(web, 0);
    expect(machinesOf(pins)).toEqual(["web"]);
  });
});
