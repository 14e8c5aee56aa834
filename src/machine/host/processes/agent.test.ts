import { afterAll, beforeAll, expect, test } from "bun:test";
import { PATH, startGuest, type TestGuest } from "../../../../agent/testing/index.ts";
import { Channel } from "../../../protocol/index.ts";
import { attach, collect, type Host, hostOf } from "./processes.fixture.ts";

/** The real agent and real processes, without a VM. */

const { stdout, stderr } = Channel;
let guest: TestGuest;
let host: Host;
beforeAll(async () => {
  guest = await startGuest();
  host = hostOf(guest.guest);
}, 120_000);
afterAll(() => guest.stop());

const sh = (script: string, options: Parameters<Host["start"]>[0] = {}) =>
  host.start({ argv: ["sh", "-c", script], env: [PATH], ...options });

test("a process runs on without anybody, keeps its last output, and takes input from whoever comes", async () => {
  const process = await sh('while read line; do echo "got $line"; done; echo end >&2; exit 5', {
    stdin: true,
  });
  const first = attach(await host.connect(), { process: process.about.id, stdin: true });
  await first.write(Buffer.from("one\n"));
  expect(Buffer.from((await first.read(stdout).next()).value ?? []).toString()).toBe("got one\n");
  first.detach();
  expect(await first.result).toEqual({ detached: true });
  const second = attach(await host.connect(), { process: process.about.id, stdin: true });
  await second.write(Buffer.from("two\n"));
  second.endInput();
  const [output, errors] = await Promise.all([collect(second, stdout), collect(second, stderr)]);
  expect([String(output), String(errors)]).toEqual(["got one\ngot two\n", "end\n"]);
  expect(await second.result).toEqual({ exitCode: 5 });
});

test("a flood that nobody sees ends; one that somebody holds waits", async () => {
  const flood = "dd if=/dev/zero bs=64k count=400 2>/dev/null";
  const unseen = await sh(flood);
  expect(await unseen.ended).toMatchObject({ result: { exitCode: 0 } });
  const held = await sh(`sleep 0.1; ${flood}`);
  const client = attach(await host.connect(), { process: held.about.id, hold: "mine" });
  await client.accepted;
  // Whatever comes later is behind it.
  expect((await (await sh(flood)).ended).result).toEqual({ exitCode: 0 });
  expect(held.end).toBeUndefined();
  expect((await collect(client, stdout)).length).toBe(400 * 65_536);
  expect(await client.result).toEqual({ exitCode: 0 });
});

test("a terminal follows the size of the client's, and a signal ends it", async () => {
  const process = await sh("trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done", {
    tty: { columns: 80, rows: 24 },
  });
  const client = attach(await host.connect(), { process: process.about.id });
  const output = client.read(stdout);
  let seen = "";
  const until = async (text: string) => {
    while (!seen.includes(text)) seen += Buffer.from((await output.next()).value ?? []);
  };
  await until("ready");
  client.resize({ columns: 101, rows: 37 });
  await until("37 101");
  await expect(client.accepted).resolves.toMatchObject({ tty: true });
  host.table.kill(process.about.id, 9);
  expect(await client.result).toEqual({ signal: 9 });
  expect(host.table.list().find(({ id }) => id === process.about.id)).toMatchObject({
    state: "exited",
    signal: 9,
  });
});

test("fifty at once have each its own output", async () => {
  const all = await Promise.all(
    Array.from({ length: 50 }, (_, at) =>
      sh(`echo ${at}; sleep 0.0$((${at} % 9)); echo ${at} >&2; exit ${at}`),
    ),
  );
  await Promise.all(
    all.map(async ({ about }, at) => {
      const client = attach(await host.connect(), { process: about.id });
      const [output, errors] = await Promise.all([collect(client, stdout), collect(client, stderr)]);
      expect([String(output), String(errors), await client.result]).toEqual([
        `${at}\n`,
        `${at}\n`,
        { exitCode: at },
      ]);
    }),
  );
}, 30_000);
