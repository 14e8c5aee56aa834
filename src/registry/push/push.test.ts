import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { openPusher, type Pusher, parseReference, type RegistryOptions, type RetryEvent } from "../index.ts";
import { digestOf, failure, manifestText, manifestType } from "../registry.fixture.ts";
import type { BlobSource } from "../types.ts";
import { type UploadRequest, UploadServer } from "./upload-server.fixture.ts";

/** Pushing, against a registry that breaks, forgets and lies. Real registries: docker-registry.test.ts. */

const MiB = 1024 * 1024;
/** More than a first chunk, and random: a byte in a wrong place is noticed. */
const large = Buffer.alloc(5 * MiB + 17);
for (let at = 0; at < large.length; at += 65_536) crypto.getRandomValues(large.subarray(at, at + 65_536));
const small = Buffer.from("small");

const servers: UploadServer[] = [];
afterAll(async () => {
  for (const server of servers) await server.stop();
});

let server: UploadServer;
beforeEach(async () => {
  server = new UploadServer();
  await server.start();
  servers.push(server);
});

const sourceOf = (bytes: Buffer): BlobSource => ({
  digest: digestOf(bytes),
  size: bytes.length,
  read: async (offset, length) => new Uint8Array(bytes.subarray(offset, offset + length)),
});

interface Opened {
  readonly pusher: Pusher;
  readonly events: RetryEvent[];
}

async function open(more: Partial<RegistryOptions> = {}): Promise<Opened> {
  const events: RetryEvent[] = [];
  const pusher = await openPusher(parseReference(`${server.host}/a/b`), {
    settings: { defaultRegistry: undefined, registries: new Map() },
    credentials: { find: async () => undefined },
    env: { HOME: "/nonexistent" },
    ...{ stallMs: 1000, connectMs: 2000, backoffMs: 2, attempts: 3 },
    onRetry: (event) => events.push(event),
    ...more,
  });
  return { pusher, events };
}

const patches = ({ method }: UploadRequest) => method === "PATCH";
const says =
  (status: number, headers: Record<string, string> = {}, body = "") =>
  (response: ServerResponse) => {
    response.writeHead(status, headers);
    response.end(body);
  };

describe("a registry that works", () => {
  test("a small blob goes whole, a large one in chunks that grow; what is there is not sent again", async () => {
    const { pusher } = await open();
    expect(await pusher.blob(sourceOf(small))).toBe("uploaded");
    expect(server.story).toEqual(["HEAD blobs/DIGEST", "POST blobs/uploads/", "PUT blobs/uploads/1 5"]);
    server.requests.length = 0;
    const progress: number[] = [];
    expect(await pusher.blob(sourceOf(large), { onProgress: (bytes) => progress.push(bytes) })).toBe(
      "uploaded",
    );
    expect(server.story).toEqual([
      "HEAD blobs/DIGEST",
      "POST blobs/uploads/",
      `PATCH blobs/uploads/2 ${MiB}`,
      `PATCH blobs/uploads/2 ${2 * MiB}`,
      `PUT blobs/uploads/2 ${2 * MiB + 17}`,
    ]);
    expect(progress).toEqual([MiB, 3 * MiB, large.length]);
    expect(server.blobs.get(digestOf(large))?.equals(large)).toBe(true);
    expect(await pusher.blob(sourceOf(large))).toBe("present");
  });

  test("an empty blob", async () => {
    const { pusher } = await open();
    expect(await pusher.blob(sourceOf(Buffer.alloc(0)))).toBe("uploaded");
    expect(server.blobs.get(digestOf(""))?.length).toBe(0);
  });

  test("a blob that is there in another size is sent", async () => {
    server.blobs.set(digestOf(small), Buffer.from("damaged"));
    const { pusher } = await open();
    expect(await pusher.blob(sourceOf(small))).toBe("uploaded");
  });

  test("the upload that was begun where a mount failed is used", async () => {
    const { pusher } = await open();
    expect(await pusher.blob(sourceOf(small), { mountFrom: ["c/d"] })).toBe("uploaded");
    expect(server.requests.find(({ method }) => method === "POST")?.path).toBe(
      `/v2/a/b/blobs/uploads/?mount=${encodeURIComponent(digestOf(small))}&from=c%2Fd`,
    );
    expect(server.story.filter((line) => line.startsWith("POST"))).toHaveLength(1);
  });

  test("manifests have the type and bytes that they were given", async () => {
    const { pusher } = await open();
    const digest = await pusher.manifest("1.0", Buffer.from(manifestText), manifestType);
    expect(digest).toBe(digestOf(manifestText));
    expect(server.manifests.get("1.0")).toEqual({ bytes: Buffer.from(manifestText), type: manifestType });
  });

  test("the registry's least size of chunks is kept", async () => {
    const { pusher } = await open();
    server.faults.push({
      when: ({ method }) => method === "POST",
      answer: (response) => {
        says(202, { location: "/v2/a/b/blobs/uploads/9", "oci-chunk-min-length": String(3 * MiB) })(response);
      },
    });
    // The server knows nothing of this upload: that it is forgotten shows only what was sent first.
    await pusher.blob(sourceOf(large));
    expect(server.story[2]).toBe(`PATCH blobs/uploads/9 ${3 * MiB}`);
  });
});

describe("a registry that fails", () => {
  test("a broken connection: goes on from what has arrived", async () => {
    server.faults.push({
      when: ({ bytes: _, ...request }) => patches({ bytes: 0, ...request }),
      breakAfter: 300_000,
    });
    const { pusher, events } = await open();
    expect(await pusher.blob(sourceOf(large))).toBe("uploaded");
    expect(server.blobs.get(digestOf(large))?.equals(large)).toBe(true);
    expect(events).toHaveLength(1);
    const sent = server.requests.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(sent).toBe(large.length);
  });

  test("a registry that cannot tell how much it has: begins anew", async () => {
    server.tellsStatus = false;
    server.faults.push({ when: patches, breakAfter: 300_000 });
    const { pusher } = await open();
    expect(await pusher.blob(sourceOf(large))).toBe("uploaded");
    expect(server.blobs.get(digestOf(large))?.equals(large)).toBe(true);
  });

  test("a registry that forgets an upload: begins anew", async () => {
    server.faults.push({
      when: ({ method }) => method === "PUT",
      answer: (response) => {
        server.forget();
        says(404)(response);
      },
    });
    const { pusher } = await open();
    expect(await pusher.blob(sourceOf(large))).toBe("uploaded");
    expect(server.blobs.get(digestOf(large))?.equals(large)).toBe(true);
  });

  test("503 is tried again, as often as is said, and no more", async () => {
    server.faults.push({ when: ({ method }) => method === "PUT", times: 99, answer: says(503) });
    const { pusher, events } = await open();
    expect((await failure(pusher.blob(sourceOf(small)))).code).toBe("registry.unavailable");
    expect(events).toHaveLength(2);
  });

  test("bytes that it cannot have: begins anew, and gives up in the end", async () => {
    const more = { location: "/v2/a/b/blobs/uploads/1", range: `0-${50 * MiB}` };
    server.faults.push({ when: patches, times: 99, answer: says(202, more) });
    const { pusher } = await open();
    expect((await failure(pusher.blob(sourceOf(large)))).code).toBe("registry.bad_answer");
    expect(server.story.filter((line) => line.startsWith("POST"))).toHaveLength(3);
  });

  test("a blob that is not what its digest says is refused by the registry, once", async () => {
    const { pusher } = await open();
    const wrong = { ...sourceOf(small), digest: digestOf(large) };
    expect((await failure(pusher.blob(wrong))).code).toBe("registry.bad_answer");
  });

  test("another manifest than was sent", async () => {
    const answer = says(201, { "docker-content-digest": digestOf("other") });
    server.faults.push({ when: ({ method }) => method === "PUT", answer });
    const { pusher } = await open();
    const error = await failure(pusher.manifest("1", Buffer.from(manifestText), manifestType));
    expect(error.code).toBe("registry.digest_mismatch");
  });

  test.each([
    [401, "registry.unauthorized"],
    [403, "registry.denied"],
    [404, "registry.denied"],
    [405, "registry.denied"],
    [413, "registry.too_large"],
    [400, "registry.bad_answer"],
  ])("status %d for an upload: %s", async (status, code) => {
    server.faults.push({ when: ({ method }) => method === "POST", times: 99, answer: says(status) });
    const { pusher } = await open();
    expect((await failure(pusher.blob(sourceOf(small)))).code).toBe(code);
  });

  test.each(["ftp://127.0.0.1/x", "http://me:secret@127.0.0.1/x", `/${"x".repeat(20_000)}`, "http://["])(
    "nothing is sent to %p",
    async (location) => {
      server.faults.push({ when: ({ method }) => method === "POST", answer: says(202, { location }) });
      const { pusher } = await open();
      const { code, message } = await failure(pusher.blob(sourceOf(small)));
      expect(code).toBe("registry.bad_answer");
      expect(message).not.toContain("secret");
      expect(server.story.filter((line) => line.startsWith("PUT"))).toEqual([]);
    },
  );

  test("an address elsewhere gets the bytes, and no password", async () => {
    const storage = new UploadServer();
    await storage.start();
    servers.push(storage);
    const location = `http://${storage.host}/store`;
    server.faults.push(
      {
        when: ({ headers }) => headers.authorization === undefined,
        times: 99,
        answer: says(401, { "www-authenticate": "Basic realm=x" }),
      },
      { when: ({ method }) => method === "POST", answer: says(202, { location }) },
    );
    storage.faults.push({ when: () => true, answer: says(201) });
    const { pusher } = await open({
      credentials: { find: async () => ({ username: "me", password: "secret" }) },
    });
    expect(await pusher.blob(sourceOf(small))).toBe("uploaded");
    expect(
      storage.requests.map(({ method, headers, bytes }) => [method, headers.authorization, bytes]),
    ).toEqual([["PUT", undefined, 5]]);
  });

  test("a signal ends it", async () => {
    const controller = new AbortController();
    const { pusher } = await open({ signal: controller.signal });
    const pushing = pusher.blob(sourceOf(large), { onProgress: () => controller.abort(new Error("enough")) });
    await expect(pushing).rejects.toThrow("enough");
    expect(server.blobs.size).toBe(0);
  });
});
