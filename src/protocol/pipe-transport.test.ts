import { afterEach, expect, test } from "bun:test";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Connection, type Stream } from "./index.ts";
import { jsonCodec } from "./json.ts";
import { PipeTransport } from "./pipe-transport.ts";

let server: Server | undefined;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
});

/** Two ends of one TCP connection of the loopback. */
async function pair(): Promise<[Socket, Socket]> {
  const accepted = Promise.withResolvers<Socket>();
  server = createServer((socket) => accepted.resolve(socket)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server?.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const client = connect({ port, host: "127.0.0.1" });
  const both: [Socket, Socket] = [client, await accepted.promise];
  sockets.push(...both);
  return both;
}

/** A client, and a server that sends back what it gets. */
async function echoing() {
  const [client, served] = await pair();
  const echo = async (stream: Stream) => {
    for await (const chunk of stream.read(0)) await stream.write(0, chunk);
    stream.finish({ done: true });
  };
  const far = new Connection(new PipeTransport(served, served), {
    codec: jsonCodec("far"),
    onStream: (stream) => void echo(stream),
  });
  const near = new Connection(new PipeTransport(client, client), { codec: jsonCodec("near") });
  return { near, far, client };
}

test("streams of many windows pass in both directions at once", async () => {
  const { near } = await echoing();
  const sizes = [3_000_000, 1_000_000, 1];
  const lengths = sizes.map(async (size) => {
    const stream = near.open({ method: "echo" });
    void stream.write(0, new Uint8Array(size)).then(() => stream.end(0));
    let length = 0;
    for await (const chunk of stream.read(0)) length += chunk.length;
    expect(await stream.result).toEqual({ done: true });
    return length;
  });
  expect(await Promise.all(lengths)).toEqual(sizes);
});

test("either side's end is told once, and work under way fails", async () => {
  const { near, far } = await echoing();
  const pending = near.open({ method: "echo" });
  pending.result.catch(() => {});
  void pending.write(0, new Uint8Array(1));
  await pending.read(0).next();
  far.close();
  expect(await near.closed).toBeUndefined();
  await expect(pending.result).rejects.toThrow("connection closed");
  await far.closed;
});

test("a side that breaks off is an end as well", async () => {
  const { near, far, client } = await echoing();
  await near.hello;
  client.resetAndDestroy();
  await Promise.all([near.closed, far.closed]);
});
