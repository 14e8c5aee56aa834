import { afterEach, expect, test } from "bun:test";
import { deferred } from "../../deferred.ts";
import { type Make, type Owned, OwnerTalk } from "./owner-talk.ts";

const servers: Bun.Server<OwnerTalk>[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

/** A server whose one conversation is about a machine. */
function converse(machine: Owned | Make) {
  const over = deferred<void>();
  const talk = new OwnerTalk(machine, {
    ended: over.resolve,
    explain: (error) => ({ error: String(error), code: "INTERNAL_ERROR" }),
  });
  const server: Bun.Server<OwnerTalk> = Bun.serve<OwnerTalk>({
    ...{ hostname: "127.0.0.1", port: 0 },
    fetch: (request) =>
      server.upgrade(request, { data: talk }) ? undefined : new Response(null, { status: 400 }),
    websocket: {
      open: (socket) => socket.data.open(socket),
      message: (socket, message) => socket.data.message(socket, message),
      close: (socket) => socket.data.end(),
    },
  });
  servers.push(server);
  const client = new WebSocket(server.url.href.replace("http", "ws"));
  return {
    client,
    talk,
    over: over.promise,
    opened: new Promise((resolve) => client.addEventListener("open", resolve)),
  };
}

const textOf = (client: WebSocket) =>
  new Promise((resolve) => client.addEventListener("message", ({ data }) => resolve(data), { once: true }));

test("a client that goes while its machine is made has none: it ends as soon as it is there", async () => {
  const [asked, made, finished] = [deferred<AbortSignal>(), deferred<void>(), deferred<void>()];
  const { client, over, opened } = converse(async (message, gone) => {
    expect(message).toBe("a machine");
    asked.resolve(gone);
    await made.promise;
    return { words: { type: "created" }, finish: async () => finished.resolve() };
  });
  await opened;
  client.send("a machine");
  const gone = await asked.promise;
  expect(gone.aborted).toBe(false);
  client.close();
  await over;
  expect(gone.aborted).toBe(true);
  made.resolve();
  await finished.promise;
});

test("a server that ends while a machine is made leaves it", async () => {
  const [asked, made] = [deferred<void>(), deferred<void>()];
  let isFinished = false;
  const finish = async () => {
    isFinished = true;
  };
  const { client, talk, over, opened } = converse(async () => {
    asked.resolve();
    await made.promise;
    return { words: {}, finish };
  });
  await opened;
  client.send("a machine");
  await asked.promise;
  talk.leave();
  await over;
  made.resolve();
  await Bun.sleep(0);
  expect(isFinished).toBe(false);
});

test("what cannot be made is told, and nothing is owned", async () => {
  const { client, over } = converse(async () => {
    throw new Error("no room");
  });
  client.addEventListener("open", () => client.send("a machine"));
  expect(JSON.parse(String(await textOf(client)))).toEqual({
    ...{ type: "error", error: "Error: no room", code: "INTERNAL_ERROR" },
  });
  await over;
});

test("a second description is no message of this conversation", async () => {
  const finished = deferred<void>();
  const { client } = converse(async () => ({
    words: { type: "created" },
    finish: async () => finished.resolve(),
  }));
  client.addEventListener("open", () => client.send("a machine"));
  expect(await textOf(client)).toBe('{"type":"created"}');
  const closed = new Promise((resolve) => client.addEventListener("close", ({ code }) => resolve(code)));
  client.send("another machine");
  expect(await closed).toBe(1008);
  await finished.promise;
});
