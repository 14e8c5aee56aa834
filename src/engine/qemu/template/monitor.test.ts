import { describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import fc from "fast-check";
import { makeSocketPair, sendWithDescriptors } from "../../../../ffi/descriptors.ts";
import { Monitor } from "./monitor.ts";

const GREETING = '{"QMP": {"version": {"qemu": {"major": 7}, "package": "x"}, "capabilities": []}}\n';

/** A VMM that says what it likes, and what it was asked. */
async function openMonitor() {
  const [own, other] = makeSocketPair();
  const asked: { execute: string; arguments: unknown }[] = [];
  let onAsked = (_execute: string) => {};
  let text = "";
  const socket = {
    data(_: unknown, bytes: Uint8Array) {
      const lines = (text + Buffer.from(bytes).toString()).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        asked.push(JSON.parse(line));
        onAsked(JSON.parse(line).execute);
      }
    },
  };
  const options = { fd: other, socket } as unknown as Parameters<typeof Bun.connect>[0];
  const vmm = await Bun.connect(options);
  return {
    monitor: new Monitor(own),
    asked,
    say: (words: string) => sendWithDescriptors(other, Buffer.from(words)),
    onAsked: (handler: (execute: string) => void) => {
      onAsked = handler;
    },
    end: () => vmm.end(),
  };
}

const file = () => openSync("/dev/null", "r");

describe("a monitor", () => {
  test("restores in QEMU's order", async () => {
    const { monitor, asked, say, onAsked, end } = await openMonitor();
    onAsked((execute) => {
      say('{"return": {}}\n');
      if (execute !== "migrate-incoming") return;
      say('{"event": "MIGRATION", "data": {"status": "active"}}\n');
      say('{"event": "RESUME"}\n{"event": "MIGRATION", "data": {"status": "completed"}}\n');
    });
    say(GREETING);
    expect(await monitor.vmm).toBe('{"qemu":{"major":7},"package":"x"}');
    const fd = file();
    await monitor.restore(fd);
    closeSync(fd);
    expect(asked.map(({ execute }) => execute)).toEqual([
      "qmp_capabilities",
      "migrate-set-capabilities",
      "getfd",
      "migrate-incoming",
    ]);
    expect(asked.at(-1)?.arguments).toEqual({ uri: "fd:devices" });
    monitor.close();
    end();
  });

  test("says what QEMU refuses, and that it has failed", async () => {
    for (const [answer, reason] of [
      ['{"error": {"class": "x", "desc": "no such thing"}}\n', "no such thing"],
      ['{"return": {}}\n{"event": "MIGRATION", "data": {"status": "failed"}}\n', "could not migrate"],
    ] as const) {
      const { monitor, say, onAsked, end } = await openMonitor();
      onAsked((execute) => say(execute === "migrate" ? answer : '{"return": {}}\n'));
      say(GREETING);
      const fd = file();
      await expect(monitor.save(fd)).rejects.toMatchObject({
        code: "engine.template_failed",
        message: expect.stringContaining(reason),
      });
      closeSync(fd);
      monitor.close();
      end();
    }
  });

  test("ends with its VM, and when it is closed", async () => {
    const { monitor, end } = await openMonitor();
    const fd = file();
    const restoring = monitor.restore(fd);
    end();
    await expect(restoring).rejects.toMatchObject({ code: "engine.template_failed" });
    monitor.close();
    await expect(monitor.save(fd)).rejects.toMatchObject({ code: "engine.template_failed" });
    closeSync(fd);
  });
});

/** A run that fails prints its seed, with which fast-check repeats it. */
test("whatever a VMM says, the work settles", async () => {
  const message = fc.oneof(
    fc.json().map((text) => `${text}\n`),
    fc.constantFrom(
      '{"return": {}}\n',
      '{"error": null}\n',
      '{"error": {"desc": 7}}\n',
      '{"event": "MIGRATION", "data": null}\n',
      '{"event": "MIGRATION", "data": {"status": "completed"}}\n',
      '{"QMP": 1}\n',
      "null\n",
      "\n",
    ),
    fc.string({ maxLength: 50 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(message, { maxLength: 20 }), async (greets, messages) => {
      const { monitor, say, end } = await openMonitor();
      const fd = file();
      const restoring = monitor.restore(fd).then(
        () => "done",
        (error) => error.code,
      );
      if (greets) say(GREETING);
      for (const words of messages) say(words);
      end();
      expect(["done", "engine.template_failed"]).toContain(await restoring);
      closeSync(fd);
      monitor.close();
    }),
    { numRuns: 200 },
  );
});
