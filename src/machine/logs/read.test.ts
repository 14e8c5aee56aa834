import { describe, expect, test } from "bun:test";
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { Connection, connectTransport, jsonCodec } from "../../protocol/index.ts";
import { connectionPair } from "../../protocol/protocol.fixture.ts";
import {
  Changes,
  type LogEntry,
  LogPrinter,
  newsOf,
  printConsole,
  readLogs,
  serveNews,
  WorkloadLog,
} from "./index.ts";
import { bytesOf, entriesOf, filesIn, textOf, withLog } from "./logs.fixture.ts";
import { encodeEntry } from "./workload-entry.ts";

const bytes = (text: string) => Buffer.from(text);
const entry = (time: number, text: string, stream: LogEntry["stream"] = "stdout"): LogEntry => ({
  time,
  stream,
  bytes: bytes(text),
});

/** A log whose files have these entries, the oldest first. */
function writeFiles(path: string, ...files: readonly (readonly LogEntry[])[]): void {
  for (const name of Object.keys(filesIn(dirname(path)))) rmSync(`${dirname(path)}/${name}`);
  for (const [index, entries] of files.entries()) {
    const number = files.length - 1 - index;
    writeFileSync(number === 0 ? path : `${path}.${number}`, entries.map(encodeEntry).join(""));
  }
}

describe("the last lines", () => {
  test("are counted as people count: pieces of a line are one, and so is what has no end yet", () =>
    withLog(async (path) => {
      writeFiles(
        path,
        [entry(1, "a\n"), entry(2, "b, "), entry(3, "E\n", "stderr"), entry(4, "more b\n")],
        [entry(5, "c, "), entry(6, "more c\n"), entry(7, "prompt> ")],
      );
      const tail = (count: number) => textOf(path, { tail: count });
      expect(await tail(0)).toBe("");
      expect(await tail(1)).toBe("prompt> ");
      expect(await tail(2)).toBe("c, more c\nprompt> ");
      expect(await tail(3)).toBe("more b\nc, more c\nprompt> ");
      expect(await tail(5)).toBe("a\nb, E\nmore b\nc, more c\nprompt> ");
      expect(await tail(100)).toBe(await textOf(path));
    }));

  test("are those of a look at everything, wherever files and blocks end", async () => {
    const text = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.nat(70_000).map((size) => "x".repeat(size)),
    );
    const anyEntry = fc
      .record({ time: fc.nat(20), text })
      .map((e) => entry(e.time, `${e.text.replaceAll("\n", "")}\n`));
    const files = fc.array(fc.array(anyEntry, { maxLength: 8 }), { minLength: 1, maxLength: 4 });
    const bound = fc.option(fc.nat(20), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(files, fc.nat(12), bound, bound, (content, tail, since, until) =>
        withLog(async (path) => {
          writeFiles(path, ...content);
          const within = content.flat().filter(({ time }) => time >= (since ?? 0) && time <= (until ?? 99));
          const expected = tail === 0 ? [] : within.slice(-tail);
          expect(bytesOf(await entriesOf(path, { tail, since, until })).equals(bytesOf(expected))).toBe(true);
          expect(bytesOf(await entriesOf(path, { since, until })).equals(bytesOf(within))).toBe(true);
        }),
      ),
      { numRuns: 200 },
    );
  }, 60_000);
});

test("what is written while somebody reads is not among the last lines that were asked for", () =>
  withLog(async (path) => {
    writeFiles(path, [entry(1, "a\n"), entry(2, "b\n"), entry(3, "c\n")]);
    const reading = readLogs(path, { tail: 2 });
    const lines = [(await reading.next()).value as LogEntry];
    appendFileSync(path, encodeEntry(entry(4, "d\n")));
    for await (const line of reading) lines.push(line);
    expect(bytesOf(lines).toString()).toBe("b\nc\n");
  }));

test("a log that is not there is empty", () =>
  withLog(async (path) => {
    expect(await entriesOf(path)).toEqual([]);
    expect(await entriesOf(`${path}/none/log`, { tail: 3 })).toEqual([]);
  }));

describe("following", () => {
  test(
    "a log that is rotated, from another process, misses nothing",
    () =>
      withLog(async (path) => {
        const count = 30_000;
        const socket = `${dirname(path)}/socket`;
        const program = [`${import.meta.dir}/logs.fixture.ts`, socket, path, String(count)];
        const writer = Bun.spawn([process.execPath, ...program], { stdout: "pipe", stderr: "inherit" });
        await writer.stdout.getReader().read();
        const connection = new Connection(await connectTransport({ unix: socket }), {
          codec: jsonCodec("reader"),
        });
        const news = newsOf(connection.open({ method: "follow" }));
        const notes: string[] = [];
        let expected = 0;
        for await (const { bytes } of readLogs(path, { follow: news, onNote: (note) => notes.push(note) })) {
          if (Buffer.from(bytes).toString() !== `line ${expected}\n`) break;
          expected += 1;
        }
        expect(notes).toEqual([]);
        expect(expected).toBe(count);
        expect(Object.keys(filesIn(dirname(path))).length).toBeGreaterThan(10);
        connection.close();
        expect(await writer.exited).toBe(0);
      }),
    60_000,
  );

  test("starts before there is a log, ends with it, and tells when it was too slow", () =>
    withLog(async (path) => {
      const log = new WorkloadLog(path, { limits: { maxBytes: 1000, maxFiles: 2 } });
      const notes: string[] = [];
      const reading = readLogs(path, { follow: log.changes.listen(), onNote: (note) => notes.push(note) });
      const first = reading.next();
      await log.write("stdout", bytes("first\n"));
      expect(Buffer.from((await first).value?.bytes ?? []).toString()).toBe("first\n");
      for (let line = 0; line < 100; line++) await log.write("stdout", bytes(`line ${line}\n`));
      await log.close();
      const rest = await Array.fromAsync(reading);
      expect(bytesOf(rest).toString()).toEndWith("line 98\nline 99\n");
      expect(notes).toEqual(["the log was renewed faster than it was read: lines may be missing"]);
    }));

  test("reads what came between the last look and the rename", () =>
    withLog(async (path) => {
      const changes = new Changes();
      writeFiles(path, [entry(1, "a\n")]);
      const reading = readLogs(path, { follow: changes.listen() });
      expect((await reading.next()).value?.time).toBe(1);
      const second = reading.next();
      writeFiles(path, [entry(1, "a\n"), entry(2, "b\n")], []);
      // The reader has the first file open, which is now another one: everything is new.
      changes.notify();
      expect((await second).value?.time).toBe(1);
      const third = reading.next();
      renameSync(path, `${path}.1`);
      changes.notify();
      expect((await third).value?.time).toBe(2);
      changes.end();
      expect((await reading.next()).done).toBe(true);
    }));

  test("ends by its signal, or by the end of the time that was asked for", () =>
    withLog(async (path) => {
      writeFiles(path, [entry(1, "a\n"), entry(5, "b\n")]);
      const forever = { follow: new Changes().listen() };
      expect(bytesOf(await entriesOf(path, { ...forever, until: 4 })).toString()).toBe("a\n");
      const controller = new AbortController();
      const reading = readLogs(path, { follow: new Changes().listen(), signal: controller.signal, tail: 0 });
      const next = reading.next();
      controller.abort(new Error("enough"));
      await expect(next).rejects.toThrow("enough");
    }));
});

describe("news of a log", () => {
  test("are one at a time, however much is written, and end with their connection", async () => {
    const changes = new Changes();
    const { opener } = await connectionPair((stream) => void serveNews(stream, changes));
    const stream = opener.open({ method: "follow" });
    const news = newsOf(stream);
    let events = 0;
    const { onEvent } = stream;
    stream.onEvent = (message) => {
      events += 1;
      onEvent(message);
    };
    await stream.accepted;
    for (let count = 0; count < 1000; count++) {
      changes.notify();
      if (count % 100 === 0) await Bun.sleep(0);
    }
    expect((await news.next()).done).toBe(false);
    expect((await news.next()).done).toBe(false);
    expect(events).toBe(2);
    const last = news.next();
    opener.close();
    expect((await last).done).toBe(true);
  });

  test("are told apart from what a later program tells", async () => {
    const changes = new Changes();
    const { opener } = await connectionPair((stream) => {
      stream.event({ type: "of_a_later_version" });
      void serveNews(stream, changes);
      changes.notify();
    });
    const news = newsOf(opener.open({ method: "follow" }));
    expect((await news.next()).done).toBe(false);
    opener.close();
    expect((await news.next()).done).toBe(true);
  });

  test("end when the reader has enough", async () => {
    const changes = new Changes();
    const { opener } = await connectionPair((stream) => void serveNews(stream, changes));
    const stream = opener.open({ method: "follow" });
    const news = newsOf(stream);
    await stream.accepted;
    await news.return?.();
    expect(await stream.result).toEqual({});
    expect((await news.next()).done).toBe(true);
    opener.close();
  });
});

test("printed with its times, each line has one, and a console's line cannot drive the terminal", () => {
  const printer = new LogPrinter({ timestamps: true });
  const time = Date.parse("2026-01-31T12:00:00Z");
  const printed = [
    entry(time, "a, "),
    entry(time, "E\nF\n", "stderr"),
    entry(time, "more a\n"),
    entry(time + 1, "\u001b[31mred\n"),
  ].map((piece) => Buffer.from(printer.print(piece)).toString());
  expect(printed.join("")).toBe(
    [
      "2026-01-31T12:00:00.000Z a, 2026-01-31T12:00:00.000Z E\n2026-01-31T12:00:00.000Z F\n",
      "more a\n2026-01-31T12:00:00.001Z \u001b[31mred\n",
    ].join(""),
  );
  const message = "\u001b[2J\ttab \u202e \u{e0001}";
  expect(printConsole({ time, level: "info", message }, { timestamps: false })).toBe(
    "\\x1b[2J\ttab \\u{202e} \\u{e0001}\n",
  );
});
