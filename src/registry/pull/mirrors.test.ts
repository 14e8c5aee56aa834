import { describe, expect, test } from "bun:test";
import type { Lie } from "../../../test/support/registry/proxy.ts";
import type { RetryEvent } from "../index.ts";
import {
  blob,
  collect,
  content,
  digestOf,
  failure,
  honest,
  manifestText,
  repositoryAt,
  type TestOptions,
  useRegistry,
  withoutPings,
} from "../registry.fixture.ts";

const { start } = useRegistry();

const MAX = 1 << 20;

async function between(mirrorActs: readonly Lie[], origin: Lie = honest, options: TestOptions = {}) {
  const mirrors = await Promise.all(mirrorActs.map((act) => start(act)));
  const server = await start(origin);
  const events: RetryEvent[] = [];
  const entries = { [server.host]: { mirrors: mirrors.map(({ url }) => url) }, ...options.entries };
  const repository = repositoryAt(server.host, {
    onRetry: (event) => events.push(event),
    ...options,
    entries,
  });
  const asked = (index: number) => withoutPings(mirrors[index]?.requests ?? []);
  const originAsked = () => withoutPings(server.requests);
  return { mirrors, server, repository, events, asked, originAsked };
}

const says =
  (status: number, body = "", headers: Record<string, string> = {}): Lie =>
  (exchange) =>
    exchange.respond(status, headers, body);

describe("mirrors", () => {
  test("have what is wanted: the registry is not asked", async () => {
    const { repository, asked, originAsked } = await between([honest]);
    expect(await repository.resolve("latest", MAX)).toBe(digestOf(manifestText));
    await repository.manifest("latest", MAX);
    expect(await collect(repository.blob(blob))).toEqual(content);
    expect([asked(0).map(({ path }) => path), originAsked()]).toEqual([
      ["/v2/a/b/manifests/latest", "/v2/a/b/manifests/latest", `/v2/a/b/blobs/${blob.digest}`],
      [],
    ]);
  });

  const failures: Readonly<Record<string, Lie>> = {
    "have it not": says(404),
    "deny it": says(403),
    fail: says(500),
    "want a password": says(401, "", { "www-authenticate": 'Basic realm="x"' }),
    "send us in a circle": (exchange) => exchange.respond(307, { location: exchange.request.path }, ""),
    "hang up": (exchange) => exchange.close(),
    "say nothing": (exchange) => exchange.silence(),
    "send a web page": says(200, "<html>", { "content-type": "text/html" }),
    "say to come back tomorrow": says(429, "", { "retry-after": "86400" }),
  };
  for (const [what, act] of Object.entries(failures)) {
    test(`that ${what} are passed over`, async () => {
      const { repository, events, originAsked } = await between([act, act], honest, { stallMs: 100 });
      expect((await repository.manifest("latest", MAX)).digest).toBe(digestOf(manifestText));
      expect(await collect(repository.blob(blob))).toEqual(content);
      expect(originAsked()).toHaveLength(2);
      expect(events.length).toBeGreaterThanOrEqual(2);
    });
  }

  test("in their order", async () => {
    const { repository, asked, originAsked } = await between([says(404), honest, honest]);
    await repository.manifest("latest", MAX);
    expect([asked(0).length, asked(1).length, asked(2).length, originAsked().length]).toEqual([1, 1, 0, 0]);
  });

  test("that cannot be reached are not tried for every layer", async () => {
    const gone = await start(honest);
    await gone.stop();
    const { repository, events } = await between([], honest, {});
    expect(events).toEqual([]);
    await repository.manifest("latest", MAX);
    const server = await start(honest);
    const seen: RetryEvent[] = [];
    const second = repositoryAt(server.host, {
      entries: { [server.host]: { mirrors: [gone.url] } },
      onRetry: (event) => seen.push(event),
    });
    await second.manifest("latest", MAX);
    await collect(second.blob(blob));
    await collect(second.blob(blob));
    expect(seen).toHaveLength(1);
    expect(seen[0]?.reason).toMatch(/nothing listens at/);
  });

  test("that break in the middle of a blob: the registry goes on from there", async () => {
    const breaks: Lie = async (exchange) => {
      await exchange.head(200, { "content-length": String(content.length), etag: '"mirror"' });
      await exchange.body(content.subarray(0, 20_000));
      await Bun.sleep(20);
      exchange.close();
    };
    const { repository, originAsked } = await between([breaks]);
    expect(await collect(repository.blob(blob))).toEqual(content);
    expect(originAsked().map(({ headers }) => [headers.range, headers["if-range"]])).toEqual([
      ["bytes=20000-", undefined],
    ]);
  });

  test("`origin` goes around them", async () => {
    const { repository, asked } = await between([honest]);
    expect(await collect(repository.blob(blob, { origin: true }))).toEqual(content);
    expect(asked(0)).toEqual([]);
  });

  test("when the registry has it neither, its own word is what counts", async () => {
    const { repository } = await between(
      [says(500)],
      says(404, '{"errors":[{"message":"the origin\'s word"}]}'),
    );
    const { code, message } = await failure(repository.manifest("latest", MAX));
    expect([code, message]).toEqual(["registry.not_found", expect.stringContaining("the origin's word")]);
  });

  test("never see the credentials of the registry, and have their own", async () => {
    const wants: Lie = async (exchange) => {
      if (exchange.request.headers.authorization !== undefined) return await honest(exchange);
      await exchange.respond(401, { "www-authenticate": 'Basic realm="x"' }, "");
    };
    const mirror = await start(wants);
    const server = await start(wants);
    const entries = { [server.host]: { mirrors: [mirror.url] } };
    const ours = { username: "origin", password: "canary-origin" };
    const only = repositoryAt(server.host, { entries, login: { [server.host]: ours } });
    await only.manifest("latest", MAX);
    for (const { headers } of mirror.requests) expect(headers.authorization).toBeUndefined();
    const theirs = { username: "mirror", password: "canary-mirror" };
    const both = repositoryAt(server.host, {
      entries,
      login: { [server.host]: ours, [mirror.host]: theirs },
    });
    await both.manifest("latest", MAX);
    const sent = mirror.requests
      .map(({ headers }) => headers.authorization)
      .filter((text) => text !== undefined);
    expect(sent).toEqual([`Basic ${Buffer.from("mirror:canary-mirror").toString("base64")}`]);
  });

  test("an aborted pull does not go on with the next server", async () => {
    const controller = new AbortController();
    const aborts: Lie = async (exchange) => {
      controller.abort(new Error("enough"));
      await exchange.silence();
    };
    const { repository, originAsked } = await between([aborts], honest, { signal: controller.signal });
    const said = await repository.manifest("latest", MAX).catch((error: Error) => error.message);
    expect([said, originAsked()]).toEqual(["enough", []]);
  });
});
