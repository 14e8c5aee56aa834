import { afterAll, afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { sendWithDescriptors } from "../../ffi/descriptors.ts";
import { assetPath } from "../assets/index.ts";
import { type LaunchOrder, PROGRAM_FD, Starter, startLauncher } from "./index.ts";
import { OrderWriter, text, u32, u64 } from "./order.ts";
import { Verb } from "./starter.ts";

setDefaultTimeout(60_000);

const directory = mkdtempSync(`${tmpdir()}/smolvm-starter-`);
const launcher = await assetPath("launcher", directory);
afterAll(() => rmSync(directory, { recursive: true }));

const opened: Starter[] = [];
afterEach(() => {
  for (const starter of opened.splice(0)) starter.close();
});

function open(): Starter {
  const program = openSync("/bin/cat", "r");
  const starter = new Starter(launcher, program);
  closeSync(program);
  opened.push(starter);
  return starter;
}

const shell = (script: string): LaunchOrder =>
  new OrderWriter().execute(["/bin/sh", "-c", script], ["LC_ALL=C"]);

async function outputOf({ output }: ReturnType<Starter["start"]>): Promise<string> {
  let whole = "";
  for await (const chunk of output) whole += Buffer.from(chunk).toString();
  return whole;
}

const isThere = (pid: number) => existsSync(`/proc/${pid}`);

test("an order is carried out as often as one likes, with streams and an exit of its own", async () => {
  const starter = open();
  const order = shell("echo out; echo err >&2; exit 3");
  for (let round = 0; round < 3; round++) {
    const child = starter.start("order", () => order);
    expect(await outputOf(child)).toBe("out\n");
    expect(await child.messages.text()).toBe("err\n");
    expect(await child.exited).toEqual({ code: 3, signal: null });
    starter.seal();
  }
});

test("once it is sealed it learns nothing, whoever asks over its socket", async () => {
  const starter = open();
  const known = shell("echo known");
  expect(await outputOf(starter.start("known", () => known))).toBe("known\n");
  starter.learn("learned", () => shell("echo learned"));
  starter.seal();
  const other = () => shell("echo other");
  expect(() => starter.start("other", other)).toThrow("has learned before");
  // What its name meant when it was learned, whatever it would mean now.
  expect(await outputOf(starter.start("known", other))).toBe("known\n");
  expect(await outputOf(starter.start("learned", other))).toBe("learned\n");
});

test("one that is told to learn more when it is sealed, or of an order that is none, ends", async () => {
  const { bytes } = shell(`touch ${directory}/made`);
  const learn = Buffer.concat([u32(Verb.learn), u32(bytes.length - 4), bytes.subarray(4)]);
  for (const told of [
    [u32(Verb.seal), u32(0), learn],
    [u32(Verb.learn), u32(2 ** 31)],
    [...Array.from({ length: 17 }, () => learn)],
    [u32(99), u32(0)],
  ]) {
    const order = new OrderWriter().step("serve", "the starter", u32(4)).finish();
    const child = startLauncher(launcher, order, ["socket-fd", openSync("/bin/cat", "r")]);
    const [socket = -1] = child.sockets;
    sendWithDescriptors(socket, Buffer.concat(told));
    try {
      sendWithDescriptors(socket, Buffer.concat([u32(Verb.start), u32(0)]));
    } catch {
      // It is gone by now.
    }
    expect(await child.exited).toEqual({ code: 0, signal: null });
    closeSync(socket);
  }
  expect(existsSync(`${directory}/made`)).toBe(false);
});

test("one order runs once at a time: a second start waits for the end of the first", async () => {
  const starter = open();
  const order = shell("echo $$; exec sleep 1000");
  const first = starter.start("order", () => order);
  const second = starter.start("order", () => order);
  const third = starter.start("order", () => order);
  third.kill();
  const firstPid = await first.output[Symbol.asyncIterator]().next();
  first.kill();
  expect(await first.exited).toEqual({ code: null, signal: "SIGTERM" });
  expect(isThere(Number(Buffer.from(firstPid.value ?? []).toString()))).toBe(false);
  const secondPid = await second.output[Symbol.asyncIterator]().next();
  // Of one that has ended: it kills nobody.
  first.kill();
  expect(isThere(Number(Buffer.from(secondPid.value ?? []).toString()))).toBe(true);
  second.kill();
  expect((await second.exited).signal).toBe("SIGTERM");
  expect((await third.exited).signal).toBe("SIGKILL");
});

test("what it starts has its streams, its socket and the starter's program, and no other descriptor", async () => {
  const starter = open();
  const order = new OrderWriter()
    .step("keepDescriptors", "descriptors", u32(5), ...[0, 1, 2, 4, PROGRAM_FD].map(u32))
    .execute(["/bin/sh", "-c", `ls /proc/self/fd; readlink -f /proc/self/fd/${PROGRAM_FD} >&4`], []);
  const child = starter.start("order", () => order, 1);
  const list = (await outputOf(child)).trim().split("\n");
  // 3 is ls's own.
  expect(list).toEqual(["0", "1", "2", "3", "4", String(PROGRAM_FD)]);
  const said = await Bun.file(child.sockets[0] ?? -1)
    .stream()
    .getReader()
    .read();
  expect(Buffer.from(said.value ?? []).toString()).toBe(`${realpathSync("/bin/cat")}\n`);
});

test("what it has started ends with it, and it ends with the thread that has started it", async () => {
  const script = `
    const { Starter } = await import("${import.meta.dir}/index.ts");
    const { OrderWriter } = await import("${import.meta.dir}/order.ts");
    const starter = new Starter("${launcher}", 0);
    const child = starter.start("order", () => new OrderWriter().execute(["/bin/sh", "-c", "echo $$; exec sleep 1000"], []));
    for await (const chunk of child.output) console.log(starter.pid, Buffer.from(chunk).toString().trim());`;
  const program = Bun.spawn([process.execPath, "-e", script], { stdin: "ignore", stdout: "pipe" });
  const { value } = await program.stdout.getReader().read();
  const pids = Buffer.from(value ?? [])
    .toString()
    .trim()
    .split(" ")
    .map(Number);
  expect(pids.map(isRunning)).toEqual([true, true]);
  program.kill("SIGKILL");
  await program.exited;
  const deadline = Date.now() + 10_000;
  while (pids.some(isRunning) && Date.now() < deadline) await Bun.sleep(5);
  expect(pids.map(isRunning)).toEqual([false, false]);
});

test("a step that fails says which, as the launcher does", async () => {
  const order = new OrderWriter()
    .step("limit", "limit 1", u32(1), u64(1000), u64(1000))
    .step("write", "/nowhere", text("/nowhere/file"), text("x"))
    .finish();
  const child = open().start("order", () => order);
  expect(await child.messages.text()).toContain('"what":"write","step":1,"errno":2');
  expect(await child.exited).toEqual({ code: 1, signal: null });
});

/** A zombie whose parent is gone is gone a moment later. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
