import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EgressEntry, EgressLog, readEgress } from "./index.ts";

const directory = () => {
  const path = mkdtempSync(join(tmpdir(), "smolvm-egress-"));
  return { path: `${path}/egress.log`, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
};

async function read(path: string, notes: string[] = []): Promise<EgressEntry[]> {
  const entries: EgressEntry[] = [];
  for await (const entry of readEgress(path, { onNote: (note) => notes.push(note) })) entries.push(entry);
  return entries;
}

const lookup: EgressEntry = {
  ...{
    time: 1_700_000_000_123,
    operation: "lookup",
    destination: "a.test",
    decision: "allow",
    rule: "a.test",
  },
  ...{ type: 1, rcode: 0, addresses: ["192.0.2.1"] },
};

test("what was decided is read as it was written, and nothing in the file drives a terminal", async () => {
  using file = directory();
  const log = new EgressLog(file.path);
  log.add(lookup);
  const hostile = { ...lookup, destination: "\x1b[2J\u202eevil\u2028", decision: "deny" } as const;
  log.add(hostile);
  const close = {
    ...lookup,
    operation: "close",
    protocol: "tcp",
    sent: 1,
    received: 2,
    durationMs: 3,
    end: "closed",
  } as const;
  log.add(close);
  await log.close();
  expect(readFileSync(file.path, "latin1")).toMatch(/^[\x20-\x7e\n]*$/);
  expect(await read(file.path)).toEqual([lookup, hostile, close]);
});

test("what is no entry is left out, and said", async () => {
  using file = directory();
  const good = `{"timestamp":"2026-01-31T12:00:00.123Z","operation":"connect","destination":"192.0.2.1:1","decision":"deny","rule":"x"}`;
  const bad = [
    "",
    "x",
    "[]",
    "{}",
    good.replace("connect", "other"),
    good.replace('"deny"', "1"),
    good.replace('"x"', "2"),
  ];
  writeFileSync(
    file.path,
    `${[good, ...bad, '{"timestamp":"2026-01-31T12:00:00.123Z","lost":77}'].join("\n")}\n`,
  );
  const notes: string[] = [];
  expect(await read(file.path, notes)).toHaveLength(1);
  expect(notes).toEqual([
    "the log has damaged lines, which are left out",
    "77 bytes of output are missing here",
  ]);
});

test("a guest that asks without end costs no memory: what the disk does not take is lost, and counted", async () => {
  using file = directory();
  const log = new EgressLog(file.path);
  for (let index = 0; index < 20_000; index++) log.add(lookup);
  await log.close();
  const notes: string[] = [];
  const entries = await read(file.path, notes);
  expect(entries.length).toBeLessThan(3000);
  expect(notes[0]).toMatch(/^\d+ bytes of output are missing here$/);
});
