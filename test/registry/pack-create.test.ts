import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { tarOf } from "../../src/image/image.fixture.ts";
import {
  crane,
  PullHome,
  randomBytes,
  type Server,
  startCraneRegistry,
  useRegistry,
} from "../support/registry/index.ts";

/** Packs of a registry's images. */

setDefaultTimeout(60_000);

const { server, push } = useRegistry();
let registry: Server;
beforeAll(async () => {
  registry = server(await startCraneRegistry());
});

/** Packs an image without smolvm itself. @returns the pack's bytes */
async function packed(home: PullHome, image: string): Promise<Buffer> {
  const words = ["pack", "create", "--quiet", "--no-runtime", "--image", image, "-o", "packed"];
  const env = { SOURCE_DATE_EPOCH: "1700000000" };
  const { exitCode, stderr } = await home.smolvm(words, { env, cwd: home.path });
  if (exitCode !== 0) throw new Error(stderr);
  return readFileSync(`${home.path}/packed.smolmachine`);
}

async function digestIn(home: PullHome): Promise<string | null> {
  const { output } = await home.smolvm(["pack", "inspect", "--json", `${home.path}/packed.smolmachine`]);
  return JSON.parse(output).digest;
}

test("the same name gives the same pack, whatever else led a cache to its image", async () => {
  const layers = [tarOf({ path: "etc/data", data: randomBytes(100_000) }), tarOf({ path: "b", data: "b" })];
  const names = [
    await push(registry, layers, "app/gzip:1"),
    await push(registry, layers, "app/zstd:1", { compression: "zstd" }),
  ];
  using rich = new PullHome();
  for (const name of names) await rich.pulled(name);
  // One image, to which two manifests led.
  const { output } = await rich.smolvm(["images", "ls", "--json"]);
  expect(JSON.parse(output)).toMatchObject([{ digests: [expect.any(String), expect.any(String)] }]);
  for (const name of names) {
    using poor = new PullHome();
    expect((await packed(poor, name)).equals(await packed(rich, name))).toBe(true);
    expect(await digestIn(rich)).toBe((await crane("digest", name)).trim());
  }
});

test("a name with a digest is what it says; an image that no name of a registry led to has none", async () => {
  using home = new PullHome();
  const name = await push(registry, [tarOf({ path: "c", data: "c" })], "app/named:1");
  const digest = (await crane("digest", name)).trim();
  await packed(home, name.replace(/:1$/, `@${digest}`));
  expect(await digestIn(home)).toBe(digest);
  const { output } = await home.smolvm(["images", "ls", "--json"]);
  await packed(home, JSON.parse(output)[0].id);
  expect(await digestIn(home)).toBe(null);
});
