import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { loadSettings } from "../../src/config/index.ts";
import { SmolError } from "../../src/errors.ts";
import { tarOf } from "../../src/image/image.fixture.ts";
import { openImage } from "../../src/image/index.ts";
import type { PullPolicy } from "../../src/image/types.ts";
import { testImages } from "../support/images.ts";
import {
  blobTraffic,
  copyTo,
  PullHome,
  pulledTree,
  type Server,
  startCraneRegistry,
  startProxy,
  storeContents,
  strays,
  useRegistry,
} from "../support/registry/index.ts";

/** What asks the registry, and what does not need to: --pull missing, always, never. */

setDefaultTimeout(60_000);

const { server, scratch, push } = useRegistry();

let registry: Server;
beforeEach(async () => {
  registry = server(await startCraneRegistry());
});

/** Pushes an image with one file. */
async function pushWith(content: string): Promise<string> {
  return await push(
    registry,
    [tarOf({ path: "shared", data: "same" }), tarOf({ path: content })],
    "a/b:latest",
  );
}

/** What `--image` with `--pull` does before a machine starts. @returns the id, or what was said */
async function open(home: PullHome, reference: string, policy: PullPolicy): Promise<string> {
  try {
    const image = await openImage(reference, {
      cacheDir: home.cacheDir,
      policy,
      loadSettings: () => loadSettings({ config: home.path }, home.env),
    });
    await image.durable;
    image.release();
    return image.id;
  } catch (error) {
    if (error instanceof SmolError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

const anId = /^sha256:[0-9a-f]{64}$/;

describe("with the registry gone", () => {
  test("missing and never take the cached image; always fails and says why", async () => {
    const reference = await pushWith("one");
    using home = new PullHome();
    await home.pulled(reference);
    await registry.stop();
    for (const policy of ["missing", "never"] as const)
      expect(await open(home, reference, policy)).toMatch(anId);
    const before = storeContents(home.images);
    const said = await open(home, reference, "always");
    expect(said).toContain(registry.host);
    expect(said).toMatch(/^registry\..*(refused|reach|connect)/i);
    expect((await home.pull(reference)).exitCode).toBe(1);
    expect(storeContents(home.images)).toEqual(before);
    expect((await home.smolvm(["images", "ls"])).exitCode).toBe(0);
    expect([...(await pulledTree(home, reference, scratch)).keys()]).toEqual(["/", "/one", "/shared"]);
  });

  test("an image that is not cached: an error that names the registry, and leaves nothing", async () => {
    const reference = await pushWith("one");
    await registry.stop();
    using home = new PullHome();
    for (const policy of ["missing", "always", "never"] as const) {
      const said = await open(home, reference, policy);
      expect(said).toMatch(policy === "never" ? /not in the cache/ : /refused|reach|connect/i);
      expect(strays(home.images)).toEqual([]);
    }
  });
});

describe("with the registry there", () => {
  test("never asks nothing, missing asks once, always asks each time and downloads what changed", async () => {
    const reference = await pushWith("one");
    const proxy = server(await startProxy({ upstream: registry.url }));
    const through = reference.replace(registry.host, proxy.host);
    using home = new PullHome();
    expect(await open(home, through, "never")).toContain("not in the cache");
    expect(proxy.requests).toEqual([]);
    expect(await open(home, through, "missing")).toMatch(anId);
    const first = blobTraffic(proxy.requests);
    expect(first.size).toBe(3);
    proxy.reset();
    expect(await open(home, through, "missing")).toMatch(anId);
    expect(proxy.requests).toEqual([]);
    expect(await open(home, through, "always")).toMatch(anId);
    expect(proxy.requests.length).toBeGreaterThan(0);
    expect(blobTraffic(proxy.requests).size).toBe(0);
    // The tag moves: the shared layer is there already.
    await pushWith("two");
    proxy.reset();
    expect(await open(home, through, "missing")).toMatch(anId);
    expect(proxy.requests).toEqual([]);
    expect(await open(home, through, "always")).toMatch(anId);
    expect(blobTraffic(proxy.requests).size).toBe(2);
    expect([...(await pulledTree(home, through, scratch)).keys()]).toEqual(["/", "/shared", "/two"]);
  });

  test("an image that was asked for by digest is not asked for again: it cannot change", async () => {
    const reference = await pushWith("one");
    const proxy = server(await startProxy({ upstream: registry.url }));
    const manifest = await fetch(`${registry.url}/v2/a/b/manifests/latest`);
    const digest = new Bun.CryptoHasher("sha256").update(await manifest.bytes()).digest("hex");
    const exact = `${reference.replace(registry.host, proxy.host).replace(":latest", "")}@sha256:${digest}`;
    using home = new PullHome();
    await home.pulled(exact);
    proxy.reset();
    for (const policy of ["missing", "always"] as const)
      expect(await open(home, exact, policy)).toMatch(anId);
    expect(proxy.requests).toEqual([]);
  });
});

test("a machine runs from a registry, and once more when that is gone", async () => {
  const { archive } = await testImages();
  const reference = await copyTo(registry, `docker-archive:${archive}`, "test/image:1");
  using home = new PullHome();
  const hello = (policy: string) =>
    home.run(["hello"], { options: ["--image", reference, "--pull", policy, "--entrypoint", ""] });
  expect(await hello("never")).toMatchObject({ exitCode: 125, output: "" });
  expect(await hello("missing")).toMatchObject({ exitCode: 0, output: "hello from PATH\n" });
  await registry.stop();
  expect(await hello("missing")).toMatchObject({ exitCode: 0, output: "hello from PATH\n", stderr: "" });
  expect(await hello("always")).toMatchObject({ exitCode: 125, output: "" });
  await home.expectNothingLeft();
});
