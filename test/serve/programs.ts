import { describe, expect, test } from "bun:test";
import { until } from "../support/process.ts";
import type { Api } from "./api.ts";
import { Conversation } from "./talk.ts";

const SMALL = { cpus: 1, memoryMb: 256, overlayGb: 2, storageGb: 1 };
const BOX = "/api/v1/machines/box";

/**
 * The tests of what programs have that have machines of their own: processes, ownership, images.
 *
 * @param api the server that runs when a test does; it has the machine `box`
 */
export function describePrograms(api: () => Api): void {
  const exec = (command: readonly string[]) => api().ask("POST", `${BOX}/exec`, { json: { command } });

  describe("a process for a program, over a WebSocket", () => {
    const path = `${BOX}/exec/process`;
    const begin = async (command: readonly string[], more: object = {}) => {
      const talk = new Conversation(`${api().url}${path}`);
      await talk.say({ command, ...more });
      return talk;
    };

    /** When a terminal has shown a text, in however many messages. */
    const shown = async (talk: Conversation, text: string) => {
      let output = "";
      for (let message = await talk.next(); message !== undefined; message = await talk.next()) {
        if (message instanceof Buffer) output += String(message.subarray(1));
        if (output.includes(text)) return;
      }
      throw new Error(`${text} was not shown: ${output}`);
    };

    test("has three streams, and an end", async () => {
      expect((await api().refusal("GET", path)).status).toBe(400);
      const talk = await begin(["sh", "-c", "cat; echo err >&2; exit 3"], { stdin: true });
      expect(await talk.next()).toEqual({ type: "started" });
      await talk.say(Buffer.from("typed"));
      expect(await talk.next()).toEqual({ type: "taken", bytes: 5 });
      await talk.say({ type: "eof" });
      const outputs = [await talk.next(), await talk.next()].sort(Buffer.compare);
      expect(outputs.map(String)).toEqual(["\u0001typed", "\u0002err\n"]);
      expect(await talk.next()).toEqual({ type: "exit", exitCode: 3 });
      expect(await talk.closed).toBe(1000);
    });

    test("writes no more than was granted, each stream for itself", async () => {
      const talk = await begin(["sh", "-c", "head -c 300000 /dev/zero; echo over >&2"]);
      expect(await talk.next()).toEqual({ type: "started" });
      const window = 256 * 1024;
      for (let bytes = 0; bytes < window; ) bytes += (await talk.next()).length - 1;
      await talk.say({ type: "grant", channel: 1, bytes: 100_000 });
      let rest = 0;
      for (let message = await talk.next(); message instanceof Buffer; message = await talk.next()) {
        if (message[0] === 1) rest += message.length - 1;
        else expect(String(message)).toBe("\u0002over\n");
      }
      expect(rest).toBe(300_000 - window);
    });

    test("is told signals and its terminal's size, and is killed with its connection", async () => {
      const talk = await begin(
        ["sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"],
        {
          tty: { cols: 80, rows: 24 },
        },
      );
      expect(await talk.next()).toEqual({ type: "started" });
      await shown(talk, "ready");
      await talk.say({ type: "resize", cols: 50, rows: 20 });
      await shown(talk, "20 50");
      await talk.say({ type: "signal", signal: 9 });
      for (let message = await talk.next(); message !== undefined; message = await talk.next())
        if (!(message instanceof Buffer)) expect(message).toEqual({ type: "exit", signal: 9 });
      const left = await begin(["sh", "-c", "echo $$; exec sleep 1000"]);
      expect(await left.next()).toEqual({ type: "started" });
      const pid = String(await left.next())
        .slice(1)
        .trim();
      left.close();
      await exec(["sh", "-c", `while kill -0 ${pid}; do sleep 0.1; done`]);
    });

    test("says why it does not run", async () => {
      const missing = await begin(["no-such-program"]);
      expect(await missing.next()).toMatchObject({ type: "error", reason: "exec.not_found" });
      expect(await missing.closed).toBe(1011);
      for (const wrong of [
        { command: [] },
        { command: ["true"], colour: 1 },
        { command: ["true"], tty: { cols: 0, rows: 1 } },
      ]) {
        const talk = new Conversation(`${api().url}${path}`);
        await talk.say(wrong);
        expect(await talk.next()).toMatchObject({ type: "error", code: "BAD_REQUEST" });
      }
    });

    test.each([
      ["bytes before there is a process", [Buffer.from("x")]],
      ["two processes", [{ command: ["cat"], stdin: true }, { command: ["cat"] }]],
      ["more input than the window", [{ command: ["sleep", "100"], stdin: true }, Buffer.alloc(300_000)]],
      [
        "more granted than was read",
        [{ command: ["sleep", "100"] }, { type: "grant", channel: 1, bytes: 1 }],
      ],
      ["a signal that there is not", [{ command: ["sleep", "100"] }, { type: "signal", signal: 65 }]],
      ["what is no message", [{ command: ["sleep", "100"] }, { type: "dance" }]],
    ])("ends for %s", async (_, messages: readonly object[]) => {
      const talk = new Conversation(`${api().url}${path}`);
      for (const [index, message] of messages.entries()) {
        if (index === 1) expect(await talk.next()).toEqual({ type: "started" });
        await talk.say(message);
      }
      expect(await talk.closed).toBe(1008);
    });
  });

  test("a machine ends with the connection of its owner, unless that has released it", async () => {
    const create = (name: string) => api().ask("POST", "/api/v1/machines", { json: { name, ...SMALL } });
    const own = async (name: string) => {
      const talk = new Conversation(`${api().url}/api/v1/machines/${name}/owner?owner=delete`);
      expect(await talk.next()).toEqual({ type: "owned" });
      return talk;
    };
    await create("owned");
    await create("kept");
    expect((await api().refusal("GET", "/api/v1/machines/owned/owner")).status).toBe(400);
    const [owned, kept] = [await own("owned"), await own("kept")];
    await kept.say({ type: "release" });
    expect(await kept.next()).toEqual({ type: "released" });
    expect(await kept.closed).toBe(1000);
    owned.close();
    await until(
      "the machine is gone",
      async () => (await api().call("GET", "/api/v1/machines/owned")).status === 404,
    );
    // One of the same name that somebody else has made meanwhile is none of the owner's.
    await create("owned");
    const late = await own("owned");
    await api().ask("DELETE", "/api/v1/machines/owned");
    await create("owned");
    late.close();
    expect(await late.closed).toBeGreaterThan(0);
    expect((await api().ask("GET", "/api/v1/machines/owned")).state).toBe("created");
    expect((await api().ask("GET", "/api/v1/machines/kept")).state).toBe("created");
  });

  test("a machine is its maker's from its first moment", async () => {
    const make = async (machine: object, rest: object = {}) => {
      const talk = new Conversation(`${api().url}/api/v1/owned`);
      await talk.say({ machine, ...rest });
      return talk;
    };
    const talk = await make({ name: "mine", ...SMALL });
    expect(await talk.next()).toMatchObject({ type: "created", machine: { name: "mine", state: "created" } });
    expect((await api().ask("GET", "/api/v1/machines/mine")).state).toBe("created");
    // What is there already is nobody's by that.
    const second = await make({ name: "mine", ...SMALL });
    expect(await second.next()).toMatchObject({ type: "error", code: "CONFLICT", reason: "machine.exists" });
    expect(await second.closed).toBe(1011);
    for (const [machine, rest] of [
      [{ name: "mine", ifNotExists: true }, {}],
      [{ nome: "x" }, {}],
      [{}, { owner: "nobody" }],
    ] as const) {
      const wrong = await make(machine, rest);
      expect(await wrong.next()).toMatchObject({ type: "error", code: "BAD_REQUEST" });
    }
    talk.close();
    await until(
      "the machine is gone",
      async () => (await api().call("GET", "/api/v1/machines/mine")).status === 404,
    );
    expect((await api().refusal("GET", "/api/v1/owned")).status).toBe(400);
  });

  test("a program that is killed before it hears of the machine that it has asked for leaves none", async () => {
    const { url } = api();
    const first = JSON.stringify({ machine: { name: "unheard", ...SMALL } });
    // It stops at that moment: what the server says is never read.
    const script = `
      const socket = new WebSocket(${JSON.stringify(`${url.replace("http", "ws")}/api/v1/owned`)});
      socket.onopen = () => {
        socket.send(${JSON.stringify(first)});
        process.kill(process.pid, "SIGSTOP");
      };
      socket.onmessage = () => console.log("heard");`;
    const child = Bun.spawn([process.execPath, "-e", script], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    const status = async () => (await api().call("GET", "/api/v1/machines/unheard")).status;
    try {
      await until("the machine is made", async () => (await status()) === 200);
    } finally {
      child.kill("SIGKILL");
    }
    expect(await new Response(child.stdout).text()).toBe("");
    await until("the machine is gone", async () => (await status()) === 404);
  });

  test("a machine that does not run becomes an image", async () => {
    const refused = await api().refusal("POST", `${BOX}/commit`);
    expect(refused).toMatchObject({ status: 409, reason: "machine.running" });
    await api().ask("POST", "/api/v1/machines", { json: { name: "base", ...SMALL } });
    const base = "/api/v1/machines/base";
    await api().ask("POST", `${base}/exec`, { json: { command: ["sh", "-c", "echo made >/made"] } });
    await api().ask("POST", `${base}/stop`);
    const body = { reference: "local/made:1", changes: ['CMD ["cat", "/made"]'] };
    expect(await api().ask("POST", `${base}/commit`, { json: body })).toMatchObject({
      reference: "local/made:1",
    });
    await api().ask("POST", "/api/v1/machines", {
      json: { name: "second", ...SMALL, image: "local/made:1" },
    });
    const second = "/api/v1/machines/second";
    expect((await api().ask("POST", `${second}/exec`, { json: { command: ["cat", "/made"] } })).stdout).toBe(
      "made\n",
    );
    for (const path of [base, second]) await api().ask("DELETE", path);
    await api().ask("POST", "/api/v1/images/remove", { json: { image: "local/made:1" } });
  });
}
