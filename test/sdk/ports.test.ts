import { afterEach, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { listensIn, waitForPort } from "../../sdk/src/ports.ts";

/** What a port of the host says of the machine behind it. The server here is the host's half: it takes every connection. */

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function portOfHost(onConnection: (socket: Socket) => void) {
  const server = createServer(onConnection);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { guest: 80, host: port, bind: "127.0.0.1", protocol: "tcp" as const };
}

test("a connection that the guest refuses late is none, however long the host has kept it open", async () => {
  const open: Socket[] = [];
  const mapping = await portOfHost((socket) => open.push(socket));
  const asked: number[] = [];
  await waitForPort(
    mapping,
    undefined,
    async (port) => {
      asked.push(port);
      if (asked.length === 3) return true;
      // The refusal comes when the guest has said that nothing listens.
      queueMicrotask(() => open.at(-1)?.destroy());
      return asked.length === 1 ? false : undefined;
    },
    undefined,
  );
  expect(asked).toEqual([80, 80, 80]);
});

test("who speaks first is there, and the guest is not asked", async () => {
  const mapping = await portOfHost((socket) => socket.end("220 hello\r\n"));
  const never = () => Promise.reject(new Error("asked"));
  await waitForPort(mapping, undefined, never, undefined);
});

test("a port that the guest's kernel leads elsewhere has no listening socket, and stays open", async () => {
  const mapping = await portOfHost(() => {});
  await waitForPort(mapping, undefined, async () => false, undefined);
});

test("the signal ends it at once, while the guest is silent too", async () => {
  const limit = new AbortController();
  const mapping = await portOfHost(() => {});
  const waiting = waitForPort(
    mapping,
    undefined,
    () => {
      queueMicrotask(() => limit.abort(new Error("enough")));
      return new Promise(() => {});
    },
    limit.signal,
  );
  expect(waiting).rejects.toThrow("enough");
  await waiting.catch(() => {});
});

test("the kernel's tables of sockets", () => {
  const line = (local: string, state: string) =>
    `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 845 1`;
  const head =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
  const listens = (...lines: string[]) => listensIn([head, ...lines, ""].join("\n"), 8000);
  expect(listens(line("00000000:1F90", "0A"))).toBe(false);
  expect(listens(line("00000000:1F40", "0A"))).toBe(true);
  expect(listens(line("00000000:1F40", "01"))).toBe(false);
  expect(listens(line("0100007F:1F40", "0A"))).toBe(false);
  expect(listens(line("00000000000000000000000001000000:1F40", "0A"))).toBe(false);
  expect(listens(line("0000000000000000FFFF00000100007F:1F40", "0A"))).toBe(false);
  expect(listens(line("0100007F:1F40", "0A"), line(`${"0".repeat(32)}:1F40`, "0A"))).toBe(true);
  expect(listens()).toBe(false);
});
