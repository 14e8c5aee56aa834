import { afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { tarOf } from "../../src/image/image.fixture.ts";
import {
  blobTraffic,
  dropAfter,
  flipBit,
  hangUp,
  ignoreRange,
  isBlob,
  isBlobOf,
  isManifest,
  isResumed,
  type Lie,
  type LyingProxy,
  otherLength,
  PullHome,
  randomBytes,
  redirect,
  reply,
  type SeenRequest,
  type Server,
  stallAfter,
  stallAtOnce,
  startDockerRegistry,
  startProxy,
  storeContents,
  trickle,
  useRegistry,
  withHeaders,
} from "../support/registry/index.ts";

/** A proxy that lies in every way between the program and a real registry: the right image, or a clear error. */

setDefaultTimeout(30_000);

const { server, push } = useRegistry();
let registry: Server;
let proxy: LyingProxy;
/** Digest and size of the large layer. */
let large: { digest: string; size: number };
let layers: string[] = [];
let expected: Map<string, string>;

beforeAll(async () => {
  registry = server(await startDockerRegistry());
  const archives = [
    tarOf({ path: "large", data: randomBytes(1_500_000) }),
    tarOf({ path: "small", data: "x" }),
  ];
  await push(registry, archives, "a/b:1", {
    editManifest: (manifest) => {
      const [first] = manifest.layers;
      layers = manifest.layers.map(({ digest }) => digest);
      if (first !== undefined) large = first;
    },
  });
  proxy = server(await startProxy({ upstream: registry.url }));
  using home = new PullHome();
  await home.pulled(`${proxy.host}/a/b:1`);
  expected = storeContents(home.images);
  proxy.reset();
});

afterEach(() => proxy.reset());

const up = () => registry.url;
const isLarge = (request: Parameters<typeof isBlob>[0]) => isBlobOf(large.digest)(request);
const isFetch = (request: Parameters<typeof isBlob>[0]) => request.method === "GET" && isManifest(request);

/** A pull that must give exactly what an undisturbed one gives. */
async function succeeds(): Promise<void> {
  using home = new PullHome();
  await home.pulled(`${proxy.host}/a/b:1`);
  expect(storeContents(home.images)).toEqual(expected);
}

/** A pull that must fail, with this code. @returns what it said */
async function fails(code: string, reference = `${proxy.host}/a/b:1`): Promise<string> {
  using home = new PullHome();
  const error = await home.refused(reference);
  expect(error).toMatchObject({ code });
  return error.message;
}

describe("a broken connection goes on where it stopped", () => {
  test("once", async () => {
    proxy.add({ when: isLarge, times: 1, act: dropAfter(up(), 700_000) });
    await succeeds();
    const ranges = proxy.requests.filter(isLarge).map(({ headers }) => headers.range);
    expect(ranges).toEqual([undefined, "bytes=700000-"]);
    expect(blobTraffic(proxy.requests).get(large.digest)).toEqual({ requests: 2, bytes: large.size });
  });

  test("again and again, as long as every time brings something", async () => {
    proxy.add({ when: isLarge, times: 9, act: dropAfter(up(), 150_000) });
    await succeeds();
    expect(blobTraffic(proxy.requests).get(large.digest)).toEqual({ requests: 10, bytes: large.size });
  });

  test("without a byte of an answer, for a layer and for a manifest", async () => {
    proxy.add({ when: isLarge, times: 1, act: hangUp }, { when: isFetch, times: 1, act: hangUp });
    await succeeds();
  });

  test("from a server that does not know Range", async () => {
    proxy.add(
      { when: isLarge, times: 1, act: dropAfter(up(), 900_000) },
      { when: isResumed, act: ignoreRange(up()) },
    );
    await succeeds();
  });

  test("from a server whose Content-Range is of another place: no byte of it is used", async () => {
    proxy.add(
      { when: isLarge, times: 1, act: dropAfter(up(), 900_000) },
      {
        when: isResumed,
        times: 1,
        act: withHeaders(up(), { "content-range": `bytes 0-${large.size - 900_001}/${large.size}` }),
      },
    );
    await succeeds();
  });

  test("from a server that has the blob no longer whole: 416", async () => {
    proxy.add(
      { when: isLarge, times: 1, act: dropAfter(up(), 900_000) },
      { when: isResumed, times: 1, act: reply(416) },
    );
    await succeeds();
  });

  test("when the rest is of a changed blob, it is downloaded again from the start", async () => {
    proxy.add(
      { when: isLarge, times: 1, act: dropAfter(up(), 900_000) },
      { when: isResumed, times: 1, act: flipBit(up(), 1000) },
    );
    await succeeds();
  });

  test("not for ever", async () => {
    proxy.add({ when: isLarge, act: hangUp });
    expect(await fails("registry.broken_connection")).toContain("tried 3 times");
    expect(proxy.requests.filter(isLarge).length).toBeLessThanOrEqual(6);
  });
});

describe("stalls", () => {
  test("a connection that brings nothing more is given up, and another goes on", async () => {
    proxy.add({ when: isLarge, times: 1, act: stallAfter(up(), 800_000) });
    await succeeds();
    expect(blobTraffic(proxy.requests).get(large.digest)?.bytes).toBe(large.size);
  });

  test("a server that takes requests and never answers", async () => {
    proxy.add({ when: isFetch, act: stallAtOnce });
    const start = performance.now();
    await fails("registry.stalled");
    expect(performance.now() - start).toBeLessThan(15_000);
  });

  test("slow is not stalled: longer than the limit in all, never without a byte", async () => {
    // 1.5 MB in 15 parts, 150 ms apart, with a limit of 1 s.
    proxy.add({ when: isLarge, act: trickle(up(), 100_000, 150) });
    await succeeds();
    expect(proxy.requests.filter(isLarge)).toHaveLength(1);
  });
});

describe("wrong bytes and lengths", () => {
  test("a wrong bit in a layer, once: downloaded again", async () => {
    proxy.add({ when: isLarge, times: 1, act: flipBit(up(), 1_000_000) });
    await succeeds();
  });

  test("a wrong bit in a layer, always: refused", async () => {
    proxy.add({ when: isLarge, act: flipBit(up(), 1_000_000) });
    // The checksum of gzip comes first.
    await fails("image.bad_layer");
  });

  test("a wrong bit in the configuration, always: refused", async () => {
    proxy.add({
      when: (request) => isBlob(request) && request.method === "GET" && !isLarge(request),
      act: flipBit(up(), 20),
    });
    await fails("image.digest_mismatch");
  });

  test("a wrong bit in a manifest that was asked for by digest: refused", async () => {
    const digest = Buffer.from(await (await fetch(`${up()}/v2/a/b/manifests/1`, acceptOci)).arrayBuffer());
    const name = `sha256:${new Bun.CryptoHasher("sha256").update(digest).digest("hex")}`;
    proxy.add({ when: isFetch, act: flipBit(up(), 25) });
    await fails("registry.digest_mismatch", `${proxy.host}/a/b@${name}`);
  });

  test("a blob that is shorter than the manifest says", async () => {
    proxy.add({ when: isLarge, act: otherLength(up(), -1000) });
    expect(await fails("registry.bad_answer")).toContain(
      `has ${large.size - 1000} bytes instead of ${large.size}`,
    );
  });

  test("a blob that is longer than the manifest says", async () => {
    proxy.add({ when: isLarge, act: otherLength(up(), 1000) });
    expect(await fails("registry.bad_answer")).toContain(
      `has ${large.size + 1000} bytes instead of ${large.size}`,
    );
  });

  test("a manifest that is too large, with and without a length", async () => {
    for (const body of [Buffer.alloc(5 << 20, " "), Buffer.alloc(64 << 20, " ")]) {
      proxy.reset();
      proxy.add({
        when: isFetch,
        act: async (exchange) => {
          await exchange.head(200, { "content-type": "application/vnd.oci.image.manifest.v1+json" });
          await exchange.body(body).catch(() => {});
          await exchange.close();
        },
      });
      await fails("registry.too_large");
    }
  });

  /** Compresses an answer although it was asked for as it is. */
  const compressed: Lie = async (exchange) => {
    const { path } = exchange.request;
    const answer = await fetch(`${up()}${path}`, {
      headers: { accept: exchange.request.headers.accept ?? "*/*" },
    });
    const headers = Object.fromEntries(answer.headers);
    const body = Bun.gzipSync(new Uint8Array(await answer.arrayBuffer()));
    await exchange.respond(answer.status, { ...headers, "content-encoding": "gzip" }, body);
  };

  test("manifests and configurations that are sent compressed are read", async () => {
    const isConfig = (request: SeenRequest) =>
      isBlob(request) && !layers.some((one) => isBlobOf(one)(request));
    proxy.add({ when: isFetch, act: compressed }, { when: isConfig, act: compressed });
    await succeeds();
    expect(proxy.requests.filter(isConfig)).toHaveLength(1);
  });

  test("a layer that is sent compressed is refused at once", async () => {
    proxy.add({ when: isLarge, act: compressed });
    expect(await fails("registry.bad_answer")).toContain("is sent compressed (Content-Encoding: gzip)");
    expect(proxy.requests.filter(isLarge)).toHaveLength(1);
  });

  test("headers without end", async () => {
    proxy.add({
      when: isFetch,
      act: async (exchange) => await exchange.head(200, { "x-padding": "x".repeat(4 << 20) }),
    });
    await fails("registry.broken_connection");
  });
});

const acceptOci = { headers: { accept: "application/vnd.oci.image.manifest.v1+json" } };

describe("statuses", () => {
  test("500 and 503, once: tried again", async () => {
    proxy.add({ when: isLarge, times: 1, act: reply(500) }, { when: isFetch, times: 1, act: reply(503) });
    await succeeds();
  });

  test("500 for ever: given up, and said", async () => {
    proxy.add({ when: isFetch, act: reply(500, {}, "the database is gone") });
    expect(await fails("registry.unavailable")).toContain("status 500");
    expect(proxy.requests.filter(isFetch).length).toBeLessThanOrEqual(3);
  });

  test("429 with Retry-After in seconds: not asked before", async () => {
    proxy.add({ when: isLarge, times: 1, act: reply(429, { "retry-after": "2" }) });
    await succeeds();
    const [first, second] = proxy.requests.filter(isLarge);
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(1900);
  });

  test("429 with Retry-After as a date", async () => {
    const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000).toUTCString();
    proxy.add({ when: isFetch, times: 1, act: reply(429, { "retry-after": date }) });
    await succeeds();
    const [first, second] = proxy.requests.filter(isFetch);
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(1000);
  });

  test("429 for ever: given up, and said", async () => {
    proxy.add({ when: isFetch, act: reply(429, { "retry-after": "1" }) });
    await fails("registry.rate_limited");
  });

  test("429 that asks for a day: given up at once", async () => {
    proxy.add({ when: isFetch, act: reply(429, { "retry-after": "86400" }) });
    await fails("registry.rate_limited");
    expect(proxy.requests.filter(isFetch)).toHaveLength(1);
  });

  test("404: there is no such image, and no second question", async () => {
    await fails("registry.not_found", `${proxy.host}/a/none:1`);
    expect(proxy.requests.filter(isFetch).length).toBeLessThanOrEqual(1);
  });

  test("403: not allowed", async () => {
    proxy.add({
      when: () => true,
      act: reply(403, {}, '{"errors":[{"code":"DENIED","message":"go away"}]}'),
    });
    await fails("registry.denied");
  });

  test("200 with a page of a hotel's network", async () => {
    proxy.add({
      when: isFetch,
      act: reply(200, { "content-type": "text/html" }, "<html>Welcome, guest</html>"),
    });
    expect(await fails("registry.bad_answer")).not.toContain("Welcome");
  });

  test("an error message with control characters does not reach the terminal", async () => {
    const message = "gone\u001b]0;title\u0007\u001b[2J";
    proxy.add({
      when: isFetch,
      act: reply(404, {}, JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message }] })),
    });
    const said = await fails("registry.not_found");
    expect([said.includes("\u001b"), said.includes("\u0007")]).toEqual([false, false]);
  });

  test("no HEAD: GET does as well", async () => {
    proxy.add({ when: ({ method }) => method === "HEAD", act: reply(405) });
    await succeeds();
  });
});

describe("redirects", () => {
  test("a circle ends", async () => {
    proxy.add({ when: isLarge, act: redirect(proxy.url) });
    expect(await fails("registry.bad_answer")).toContain("redirects");
    expect(proxy.requests.filter(isLarge).length).toBeLessThanOrEqual(40);
  });

  for (const target of [
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "data:text/plain,x",
    "//",
    "http://[",
    "",
  ]) {
    test(`to ${JSON.stringify(target)}: refused`, async () => {
      proxy.add({ when: isLarge, act: reply(307, { location: target }) });
      expect(await fails("registry.bad_answer")).toContain("redirects to");
    });
  }
});
