import { describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { heldMemory } from "../../held-memory.fixture.ts";
import { ConsoleLog, readConsole, WorkloadLog } from "./index.ts";
import { bytesOf, entriesOf, filesIn, textOf, withLog } from "./logs.fixture.ts";

const bytes = (text: string) => Buffer.from(text);
const lines = (path: string) => readFileSync(path, "utf8").trimEnd().split("\n");

test("a workload's log has docker's format, and bytes that are not UTF-8 exactly", () =>
  withLog(async (path) => {
    const log = new WorkloadLog(path);
    await log.write("stdout", bytes("one\ntwo"));
    await log.write("stderr", bytes('"\u001b[31m\\\n'));
    await log.write("stdout", Buffer.from([0x2e, 0xe9, 0x00, 0x0a]));
    await log.close();
    const withoutTime = lines(path).map((line) => {
      const { time, ...rest } = JSON.parse(line);
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      return rest;
    });
    expect(withoutTime).toEqual([
      { log: "one\n", stream: "stdout" },
      { log: '"\u001b[31m\\\n', stream: "stderr" },
      { log: "two.\ufffd\u0000\n", stream: "stdout", base64: "dHdvLukACg==" },
    ]);
  }));

test("what comes out of a log is what went in, whatever it is and however it is cut", async () => {
  const stream = fc.constantFrom("stdout" as const, "stderr" as const);
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.string({ unit: "binary", maxLength: 60 }).map((text) => new Uint8Array(bytes(text))),
    fc.constant(new Uint8Array([0x0a])),
    fc.nat(40_000).map((size) => new Uint8Array(size).fill(0x78)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(stream, piece), { maxLength: 30 }), (pieces) =>
      withLog(async (path) => {
        const log = new WorkloadLog(path);
        for (const [name, data] of pieces) await log.write(name, data);
        await log.close();
        const entries = await entriesOf(path);
        for (const name of ["stdout", "stderr"] as const) {
          const written = Buffer.concat(pieces.filter(([of]) => of === name).map(([, data]) => data));
          expect(bytesOf(entries, name).equals(written)).toBe(true);
        }
        for (const entry of entries) {
          expect(entry.bytes.length).toBeLessThanOrEqual(16_384);
          expect(entry.bytes.subarray(0, -1).includes(0x0a)).toBe(false);
        }
      }),
    ),
    { numRuns: 100 },
  );
}, 60_000);

test("a line that never ends is there in pieces, cut between characters", () =>
  withLog(async (path) => {
    const log = new WorkloadLog(path);
    const text = `x${"€".repeat(20_000)}`;
    for (const byte of bytes(text)) await log.write("stdout", Uint8Array.of(byte));
    await log.flushed();
    expect((await entriesOf(path)).length).toBe(3);
    await log.close();
    expect(lines(path).every((line) => JSON.parse(line).base64 === undefined)).toBe(true);
    expect(await textOf(path)).toBe(text);
  }));

describe("rotation", () => {
  const limits = { maxBytes: 4000, maxFiles: 3 };

  test("keeps the last files, none larger than the limit", () =>
    withLog(async (path) => {
      const log = new WorkloadLog(path, { limits });
      for (let line = 0; line < 1000; line++) await log.write("stdout", bytes(`line ${line}\n`));
      await log.close();
      const files = filesIn(dirname(path));
      expect(Object.keys(files)).toEqual(["workload.log", "workload.log.1", "workload.log.2"]);
      for (const size of Object.values(files)) expect(size).toBeLessThanOrEqual(limits.maxBytes);
      const kept = (await textOf(path)).trimEnd().split("\n");
      expect(kept.length).toBeGreaterThan(80);
      expect(kept).toEqual(Array.from({ length: 1000 }, (_, line) => `line ${line}`).slice(-kept.length));
    }));

  test("goes on with the files that are there, under limits that have changed", () =>
    withLog(async (path) => {
      for (const maxFiles of [5, 2, 1]) {
        const log = new WorkloadLog(path, { limits: { ...limits, maxFiles } });
        for (let line = 0; line < 1000; line++) await log.write("stdout", bytes(`line ${line}\n`));
        await log.close();
        expect(Object.keys(filesIn(dirname(path))).length).toBe(maxFiles);
      }
    }));

  test("a file is readable by its user only", () =>
    withLog(async (path) => {
      const log = new WorkloadLog(path);
      await log.write("stdout", bytes("secret\n"));
      await log.close();
      const { mode } = await Bun.file(path).stat();
      expect(mode & 0o777).toBe(0o600);
    }));
});

test("a line that a power cut has torn does not spoil the next one", () =>
  withLog(async (path) => {
    const log = new WorkloadLog(path);
    await log.write("stdout", bytes("one\n"));
    await log.close();
    appendFileSync(path, '{"log":"tw');
    const next = new WorkloadLog(path);
    await next.write("stdout", bytes("three\n"));
    await next.close();
    expect(await textOf(path)).toBe("one\nthree\n");
  }));

describe("a file that cannot be written", () => {
  test("costs its lines and nothing else, and is told about once", () =>
    withLog(async (path) => {
      const troubles: string[] = [];
      const log = new WorkloadLog(`${dirname(path)}/missing/log`, {
        onTrouble: (text) => troubles.push(text),
      });
      for (let line = 0; line < 100; line++) {
        await log.write("stdout", bytes("x".repeat(10_000)));
        await log.flushed();
      }
      mkdirSync(`${dirname(path)}/missing`);
      await log.write("stdout", bytes("\nback\n"));
      await log.close();
      expect(troubles).toEqual([expect.stringContaining("(ENOENT)")]);
      const notes: string[] = [];
      const text = await textOf(`${dirname(path)}/missing/log`, { onNote: (note) => notes.push(note) });
      // A piece of the last line was still held.
      expect(text).toMatch(/^x*\nback\n$/);
      expect(notes).toEqual([`${1_000_000 - text.indexOf("\n")} bytes of output are missing here`]);
    }));

  test("a full disk: whole lines are kept, and it goes on when there is room", () =>
    withLog(async (path) => {
      const disk = `${dirname(path)}/disk`;
      // A small filesystem that only this process sees.
      const script = 'mkdir "$0" && mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"';
      const isolated = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, disk];
      const program = [process.execPath, `${import.meta.dir}/full-disk.fixture.ts`, `${disk}/log`];
      const child = Bun.spawn([...isolated, ...program], { stdout: "pipe", stderr: "inherit" });
      const said = JSON.parse(await new Response(child.stdout).text());
      expect(said.troubles).toEqual([expect.stringContaining("(ENOSPC)")]);
      const missing = said.notes.map((note: string) => Number.parseInt(note, 10));
      expect(said.read + missing.reduce((sum: number, count: number) => sum + count)).toBe(said.written);
      expect(said.text).toMatch(/^(line \d+\n)+after\n$/);
    }));
});

describe("a console's log", () => {
  const consoleOf = async (path: string) => {
    const entries = [];
    for await (const { level, message } of readConsole(path)) entries.push({ level, message });
    return entries;
  };

  test("is JSON with timestamp and level, and no line can drive a terminal", () =>
    withLog(async (path) => {
      const log = new ConsoleLog(path);
      log.write(bytes("[    0.0] Linux\r\n\r\nsmolvm: the agent says\n\u001b[2Jhidden \u202e\u009b"));
      log.write(bytes("\ud83d\ude00\n"));
      log.say("error", "the machine's own");
      await log.close();
      expect(await consoleOf(path)).toEqual([
        { level: "info", message: "[    0.0] Linux" },
        { level: "warn", message: "smolvm: the agent says" },
        { level: "info", message: "\u001b[2Jhidden \u202e\u009b\ud83d\ude00" },
        { level: "error", message: "the machine's own" },
      ]);
      const text = readFileSync(path, "utf8");
      expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      const { timestamp, level } = JSON.parse(text.split("\n")[0] as string);
      expect([Number.isNaN(Date.parse(timestamp)), level]).toEqual([false, "info"]);
    }));

  test("keeps what the disk takes of a flood, says what is missing, and holds little of it", () =>
    withLog(async (path) => {
      const log = new ConsoleLog(path);
      const chunk = bytes(`${"x".repeat(99)}\n`.repeat(600));
      const before = heldMemory();
      for (let count = 0; count < 1000; count++) log.write(chunk);
      expect(heldMemory() - before).toBeLessThan(4_000_000);
      await log.close();
      const messages = (await consoleOf(path)).map(({ message }) => message);
      const missing = messages.filter((message) => !message.startsWith("x"));
      expect(missing).toEqual([expect.stringMatching(/^\d+ bytes are missing here$/)]);
      expect(Number.parseInt(missing[0] as string, 10) + (messages.length - 1) * 100).toBe(60_000_000);
    }));
});

test(
  "whatever a log has become, reading it ends, with one note",
  () =>
    withLog(async (path) => {
      const good = `${JSON.stringify({ log: "good\n", stream: "stdout", time: "2026-01-31T12:00:00Z" })}\n`;
      const line = fc.oneof(
        fc.constant(good),
        fc.uint8Array({ maxLength: 50 }).map((data) => Buffer.from(data).toString("latin1")),
        fc.jsonValue().map((value) => `${JSON.stringify(value)}\n`),
        fc.constantFrom('{"log":1,"stream":"stdout","time":"2026-01-31T12:00:00Z"}\n', "null\n", "\n"),
        fc.constant("\0".repeat(200_000)),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(line), async (content) => {
          writeFileSync(path, Buffer.from(content.join(""), "latin1"));
          const notes: string[] = [];
          for (const tail of [undefined, 3])
            await entriesOf(path, { tail, onNote: (note) => notes.push(note) });
          expect(notes.length).toBeLessThanOrEqual(2);
        }),
        { numRuns: 200 },
      );
      writeFileSync(path, `${good}rubbish\n${"\0".repeat(3_000_000)}\n${good}${good.slice(0, 20)}`);
      const notes: string[] = [];
      expect(await textOf(path, { onNote: (note) => notes.push(note) })).toBe("good\ngood\n");
      expect(notes).toEqual(["the log has damaged lines, which are left out"]);
    }),
  60_000,
);
