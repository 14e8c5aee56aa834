import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createAuthority } from "../../test/support/registry/certificates.ts";
import { startDockerRegistry } from "../../test/support/registry/docker-registry.ts";
import type { Server } from "../../test/support/registry/server.ts";
import { collect, digestOf, failure, indexType, manifestType, repositoryAt } from "./registry.fixture.ts";

/** Against Debian's docker-registry (distribution 2.8): the server that most private registries are. */

const password = "canary-password";
const layer = crypto.getRandomValues(new Uint8Array(3_000_000));
const config = JSON.stringify({
  architecture: "amd64",
  os: "linux",
  rootfs: { type: "layers", diff_ids: [] },
});
const descriptor = (bytes: Uint8Array | string, mediaType: string) => ({
  mediaType,
  digest: digestOf(bytes),
  size: Buffer.byteLength(bytes),
});
const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: manifestType,
  config: descriptor(config, "application/vnd.oci.image.config.v1+json"),
  layers: [descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip")],
});
const index = JSON.stringify({
  schemaVersion: 2,
  mediaType: indexType,
  manifests: [{ ...descriptor(manifest, manifestType), platform: { os: "linux", architecture: "amd64" } }],
});

let open: Server;
let closed: Server;

beforeAll(async () => {
  [open, closed] = await Promise.all([
    startDockerRegistry(),
    startDockerRegistry({ users: { me: password } }),
  ]);
  await push(open, {});
  await push(closed, { authorization: `Basic ${Buffer.from(`me:${password}`).toString("base64")}` });
});
afterAll(async () => {
  await Promise.all([open?.stop(), closed?.stop()]);
});

/** Pushes by the specification's single PUT ("Pushing a blob monolithically"). */
async function push({ url }: Server, headers: Record<string, string>): Promise<void> {
  for (const bytes of [layer, Buffer.from(config)]) {
    const started = await fetch(`${url}/v2/a/b/blobs/uploads/`, { method: "POST", headers });
    const location = new URL(started.headers.get("location") ?? "", url);
    location.searchParams.set("digest", digestOf(bytes));
    const done = await fetch(location, { method: "PUT", headers, body: bytes });
    if (done.status !== 201) throw new Error(`blob: ${done.status} ${await done.text()}`);
  }
  for (const [name, body, type] of [
    [digestOf(manifest), manifest, manifestType],
    ["1", manifest, manifestType],
    ["latest", index, indexType],
  ] as const) {
    const done = await fetch(`${url}/v2/a/b/manifests/${name}`, {
      method: "PUT",
      headers: { ...headers, "content-type": type },
      body,
    });
    if (done.status !== 201) throw new Error(`manifest: ${done.status} ${await done.text()}`);
  }
}

const MAX = 4 << 20;

describe("docker-registry", () => {
  test("index, manifest and blobs, by tag and by digest", async () => {
    const repository = repositoryAt(open.host);
    expect(await repository.resolve("latest", MAX)).toBe(digestOf(index));
    const found = await repository.manifest("latest", MAX);
    expect([found.mediaType, found.digest]).toEqual([indexType, digestOf(index)]);
    const one = await repository.manifest(digestOf(manifest), MAX);
    expect([one.mediaType, Buffer.from(one.bytes).toString()]).toEqual([manifestType, manifest]);
    expect(await collect(repository.blob({ digest: digestOf(layer), size: layer.length }))).toEqual(layer);
    const text = await collect(
      repository.blob({ digest: digestOf(config), size: Buffer.byteLength(config) }),
    );
    expect(Buffer.from(text).toString()).toBe(config);
  });

  test("many blobs at once", async () => {
    const repository = repositoryAt(open.host);
    const pulls = Array.from({ length: 8 }, () =>
      collect(repository.blob({ digest: digestOf(layer), size: layer.length })),
    );
    for (const bytes of await Promise.all(pulls)) expect(bytes).toEqual(layer);
  });

  test("what it does not have", async () => {
    const repository = repositoryAt(open.host);
    for (const name of ["none", digestOf("none")]) {
      const { code, message } = await failure(repository.manifest(name, MAX));
      expect([code, message]).toEqual(["registry.not_found", expect.stringContaining("manifest unknown")]);
    }
    const { code } = await failure(collect(repository.blob({ digest: digestOf("none"), size: 4 })));
    expect(code).toBe("registry.not_found");
  });

  test("a size in the manifest that is wrong", async () => {
    const repository = repositoryAt(open.host);
    for (const difference of [-1, 1]) {
      const wrong = { digest: digestOf(layer), size: layer.length + difference };
      expect((await failure(collect(repository.blob(wrong)))).code).toBe("registry.bad_answer");
    }
  });

  test("with a password (htpasswd), without, and with a wrong one", async () => {
    const login = { [closed.host]: { username: "me", password } };
    const repository = repositoryAt(closed.host, { login });
    expect((await repository.manifest("latest", MAX)).digest).toBe(digestOf(index));
    expect(await collect(repository.blob({ digest: digestOf(layer), size: layer.length }))).toEqual(layer);
    expect((await failure(repositoryAt(closed.host).manifest("latest", MAX))).code).toBe(
      "registry.not_found",
    );
    const wrong = { [closed.host]: { username: "me", password: "canary-wrong" } };
    const error = await failure(repositoryAt(closed.host, { login: wrong }).manifest("latest", MAX));
    expect([error.code, error.message]).toEqual([
      "registry.unauthorized",
      expect.not.stringContaining("canary"),
    ]);
  });

  test("with TLS: plain http is answered with status 400, and https is used", async () => {
    const directory = mkdtempSync("/tmp/smolvm-registry-ca-");
    const authority = createAuthority(directory);
    const server = await startDockerRegistry({ tls: authority.issue(["127.0.0.1"]) });
    try {
      const unknown = await failure(repositoryAt(server.host).manifest("latest", MAX));
      expect(unknown.code).toBe("registry.tls");
      const known = repositoryAt(server.host, { env: { SSL_CERT_FILE: authority.certificate } });
      expect((await failure(known.manifest("latest", MAX))).message).toMatch(/manifest unknown/);
    } finally {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("that was there and is gone: more attempts than for one that never was", async () => {
    const events: string[] = [];
    const repository = repositoryAt(open.host, {
      onRetry: ({ reason }) => events.push(reason),
      attempts: 8,
      backoffMs: 5,
    });
    await repository.manifest("latest", MAX);
    const host = open.host;
    await open.stop();
    const failed = await failure(repository.manifest("latest", MAX));
    expect(failed.message).toMatch(new RegExp(`nothing listens at ${host} \\(tried 8 times\\)`));
    expect(events).toHaveLength(7);
  });
});
