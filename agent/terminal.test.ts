import { afterAll, beforeAll, expect, test } from "bun:test";
import { Channel, type Stream } from "../src/protocol/index.ts";
import { collect, endOf, openExec, run, startGuest, type TestGuest } from "./testing.ts";

let guest: TestGuest;
beforeAll(async () => {
  guest = await startGuest();
}, 60_000);
afterAll(() => guest.stop());

const tty = { columns: 100, rows: 30 };
const open = (script: string, user = ""): Stream =>
  openExec(guest.host, ["sh", "-c", script], { tty, stdin: true, user });
const type = (stream: Stream, text: string) => stream.write(Channel.stdin, Buffer.from(text));

/** Reads until the output contains `text`. */
async function readUntil(output: AsyncGenerator<Uint8Array>, text: string): Promise<string> {
  let seen = "";
  while (!seen.includes(text)) {
    const { value, done } = await output.next();
    if (done) throw new Error(`ended before ${JSON.stringify(text)}: ${JSON.stringify(seen)}`);
    seen += Buffer.from(value);
  }
  return seen;
}

test("the program has a controlling terminal of the size asked for, owned by its user", async () => {
  const script =
    "tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo all; echo > /dev/tty; cut -d ' ' -f 5,6,7 /proc/self/stat";
  const stream = open(script, "app");
  const lines = (await collect(stream, Channel.stdout)).split("\r\n");
  expect(lines.slice(0, 4)).toEqual([expect.stringMatching(/^\/dev\/pts\/\d+$/), "30 100", "all", ""]);
  const [group, session, terminal] = (lines[4] ?? "").split(" ");
  expect(Number(session)).toBeGreaterThan(0);
  expect(Number(group)).toBeGreaterThan(0);
  expect(Number(terminal)).not.toBe(0);
  expect(await endOf(stream)).toEqual({ end: "exit 0" });
});

test("a new size arrives with SIGWINCH", async () => {
  const stream = open("trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.02; done");
  const output = stream.read(Channel.stdout);
  await readUntil(output, "ready");
  stream.control({ type: "resize", columns: 77, rows: 22 });
  expect(await readUntil(output, "22 77")).toContain("22 77");
  expect(await endOf(stream)).toEqual({ end: "exit 5" });
});

test("input is echoed and edited, ^C interrupts, the end of input is ^D", async () => {
  const interrupted = open("echo ready; sleep 100");
  await readUntil(interrupted.read(Channel.stdout), "ready");
  await type(interrupted, "\x03");
  expect(await endOf(interrupted)).toEqual({ end: "signal 2" });

  const cat = openExec(guest.host, ["cat"], { tty, stdin: true });
  await type(cat, "abX\x7fc\n");
  cat.end(Channel.stdin);
  expect(await collect(cat, Channel.stdout)).toBe("abX\b \bc\r\nabc\r\n");
  expect(await endOf(cat)).toEqual({ end: "exit 0" });
});

test("a program that closes its terminal before it ends is not taken for hung up", async () => {
  // As cat does at its exit; were the master closed then, SIGHUP would hit the program.
  for (let i = 0; i < 20; i++) {
    const stream = open("echo last; exec 0<&- 1>&- 2>&-; sleep 0.01; exit 6");
    expect(await collect(stream, Channel.stdout)).toBe("last\r\n");
    expect(await endOf(stream)).toEqual({ end: "exit 6" });
  }
});

test("a terminal that floods waits for its reader and still takes ^C", async () => {
  const stream = openExec(guest.host, ["yes"], { tty, stdin: true });
  const output = stream.read(Channel.stdout);
  await readUntil(output, "y");
  await Bun.sleep(200);
  await type(stream, "\x03");
  let bytes = 0;
  for await (const chunk of output) bytes += chunk.length;
  // One window on each of the two ways, what the terminal holds, and nothing else.
  expect(bytes).toBeLessThan(2 * 1024 * 1024);
  expect(await endOf(stream)).toEqual({ end: "signal 2" });
});

test("a daemon that keeps the terminal does not delay the end", async () => {
  const stream = open("trap '' HUP; (setsid sleep 1000 &); echo done");
  expect(await collect(stream, Channel.stdout)).toBe("done\r\n");
  expect(await endOf(stream)).toEqual({ end: "exit 0" });
});

test("cancel ends a program with a terminal", async () => {
  const stream = open("trap '' HUP INT TERM; yes");
  await readUntil(stream.read(Channel.stdout), "y");
  stream.cancel();
  expect(await endOf(stream)).toEqual({ end: "signal 9" });
});

test("the workload may break its own terminals, and gets told", async () => {
  const broken = await startGuest();
  try {
    await run(broken.host, ["sh", "-c", "rm /dev/ptmx; cat /dev/null > /dev/ptmx"]);
    const stream = openExec(broken.host, ["true"], { tty, stdin: true });
    const { end, message } = await endOf(stream);
    expect([end, message]).toEqual(["exec.failed", "the workload's /dev/ptmx is no terminal multiplexer"]);
    expect((await run(broken.host, ["echo", "pipes work"])).stdout).toBe("pipes work\n");
  } finally {
    await broken.stop();
  }
}, 60_000);
