import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import {
  createAuthority,
  type Server,
  startCraneRegistry,
  startDockerRegistry,
  startTokenServer,
  type TokenServer,
} from "../../../test/support/registry/index.ts";
import type { Credentials } from "../credentials/index.ts";
import { type BlobSource, openPusher, openRepository, parseReference } from "../index.ts";
import { collect, digestOf, failure } from "../registry.fixture.ts";

/** Pushing to the registries that others run: Debian's docker-registry (distribution 2.8), go-containerregistry. */

const large = Buffer.alloc(4_500_000);
for (let at = 0; at < large.length; at += 65_536) crypto.getRandomValues(large.subarray(at, at + 65_536));
const config = Buffer.from("{}");
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const descriptor = (mediaType: string, bytes: Buffer) => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
});
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor("application/vnd.oci.empty.v1+json", config),
    layers: [descriptor("application/octet-stream", large)],
  }),
);

const sourceOf = (bytes: Buffer): BlobSource => ({
  digest: digestOf(bytes),
  size: bytes.length,
  read: async (offset, length) => new Uint8Array(bytes.subarray(offset, offset + length)),
});

const directory = mkdtempSync("/tmp/smolvm-push-");
const users = { me: "canary-password" };
let docker: Server;
let crane: Server;
let closed: Server;
let tokens: TokenServer;
let asking: Server;

beforeAll(async () => {
  tokens = startTokenServer({ authority: createAuthority(directory), users });
  [docker, crane, closed, asking] = await Promise.all([
    startDockerRegistry(),
    startCraneRegistry(),
    startDockerRegistry({ users }),
    startDockerRegistry({ tokens }),
  ]);
});
afterAll(async () => {
  for (const server of [docker, crane, closed, asking, tokens]) await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

function optionsFor(login: Credentials | undefined) {
  return {
    settings: { defaultRegistry: undefined, registries: new Map() },
    credentials: { find: async () => login },
    env: { HOME: "/nonexistent" },
    attempts: 1,
  };
}

const login: Credentials = { username: "me", password: users.me };

async function pushAll(server: Server, name: string, as?: Credentials): Promise<string> {
  const pusher = await openPusher(parseReference(`${server.host}/${name}`), optionsFor(as));
  await pusher.blob(sourceOf(config));
  await pusher.blob(sourceOf(large));
  return await pusher.manifest("1", manifest, manifestType);
}

describe.each([
  ["docker-registry", () => docker, undefined],
  ["docker-registry with passwords", () => closed, login],
  ["docker-registry with tokens", () => asking, login],
  ["go-containerregistry", () => crane, undefined],
] as const)("%s", (_, server, as) => {
  test("what is pushed is what is pulled, and is not sent twice", async () => {
    const digest = await pushAll(server(), "a/b", as);
    const reference = parseReference(`${server().host}/a/b:1`);
    const repository = openRepository(reference, optionsFor(as));
    expect((await repository.manifest("1", 1 << 20)).digest).toBe(digest);
    const bytes = await collect(repository.blob({ digest: digestOf(large), size: large.length }));
    expect(Buffer.from(bytes).equals(large)).toBe(true);
    const pusher = await openPusher(reference, optionsFor(as));
    expect(await pusher.blob(sourceOf(large))).toBe("present");
  });

  test("a blob of another repository is mounted where the registry can, and else sent", async () => {
    await pushAll(server(), "a/b", as);
    const pusher = await openPusher(parseReference(`${server().host}/other/place`), optionsFor(as));
    const outcome = await pusher.blob(sourceOf(large), { mountFrom: ["a/b"] });
    // go-containerregistry keeps the blobs of all repositories in one heap.
    expect(outcome).toBe(server() === crane ? "present" : "mounted");
    const absent = Buffer.from("in no repository");
    expect(await pusher.blob(sourceOf(absent), { mountFrom: ["a/b", "no/such"] })).toBe("uploaded");
  });
});

test("a token is for pulling and pushing this repository, and is asked for once", async () => {
  const before = tokens.requests.length;
  await pushAll(asking, "one/token", login);
  expect(tokens.requests.slice(before).map(({ scopes }) => scopes)).toEqual([
    ["repository:one/token:pull,push"],
  ]);
});

test("without a password, or with a wrong one", async () => {
  expect((await failure(pushAll(closed, "a/b"))).code).toBe("registry.unauthorized");
  const wrong = { username: "me", password: "wrong" };
  expect((await failure(pushAll(closed, "a/b", wrong))).code).toBe("registry.unauthorized");
  const { code, message } = await failure(pushAll(asking, "a/b", wrong));
  expect([code, message.includes("wrong")]).toEqual(["registry.unauthorized", false]);
});

test("a manifest whose blobs are not there is refused, with the registry's words", async () => {
  const pusher = await openPusher(parseReference(`${docker.host}/empty/place`), optionsFor(undefined));
  const { code, message } = await failure(pusher.manifest("1", manifest, manifestType));
  expect([code, message]).toEqual(["registry.bad_answer", expect.stringContaining("blob unknown")]);
});
