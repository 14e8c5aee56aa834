import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { tarOf } from "../../src/image/image.fixture.ts";
import { until } from "../support/process.ts";
import { seededRandom } from "../support/random.ts";
import {
  blobTraffic,
  PullHome,
  randomBytes,
  startDockerRegistry,
  startProxy,
  storeContents,
  strays,
  useRegistry,
} from "../support/registry/index.ts";

/** kill -9 at any moment of a pull: the next pull succeeds, and the cache is as if nothing had happened. */

const KILLS = 100;
setDefaultTimeout(180_000);

const { server, push } = useRegistry();

let reference: string;
let expected: Map<string, string>;
/** Milliseconds of a pull that nobody disturbs. */
let usual = Number.POSITIVE_INFINITY;

beforeAll(async () => {
  const registry = server(await startDockerRegistry());
  const files = (layer: number) =>
    Array.from({ length: 60 }, (_, at) => ({ path: `d${layer}/f${at}`, data: randomBytes(at * 1200) }));
  const layers = [0, 1, 2, 3, 4].map((layer) =>
    tarOf(
      { path: `d${layer}/`, type: "5" },
      ...files(layer),
      ...(layer > 0 ? [{ path: `d${layer - 1}/.wh.f7` }] : []),
    ),
  );
  reference = await push(registry, layers, "kill/me:1");
  using home = new PullHome();
  await home.pulled(reference);
  expected = storeContents(home.images);
  for (let round = 0; round < 3; round++) {
    using another = new PullHome();
    usual = Math.min(usual, (await another.pulled(reference)).took);
    expect(storeContents(another.images)).toEqual(expected);
  }
  expect(expected.size).toBeGreaterThan(10);
});

test(`kill -9 at ${KILLS} random moments: the next pull gives the same cache, byte for byte, and nothing else`, async () => {
  const random = seededRandom("kill -9 of a pull");
  let killed = 0;
  let halfway = 0;
  // On a machine whose speed changes, some pulls are over before their moment: those do not count.
  for (let round = 0; killed < KILLS && round < 3 * KILLS; round++) {
    using home = new PullHome();
    const delay = random() * usual;
    const child = home.start(["images", "pull", "--quiet", reference]);
    await Bun.sleep(delay);
    child.kill("SIGKILL");
    await child.exited;
    if (child.signalCode === null) {
      usual *= 0.95;
      continue;
    }
    killed++;
    if (existsSync(home.images)) halfway++;
    const left = () => home.processes().map(({ command }) => command);
    expect({ delay, left: left() }).toEqual({ delay, left: [] });
    await home.pulled(reference).catch((error: Error) => {
      throw new Error(`after kill -9 at ${delay} ms: ${error.message}`);
    });
    expect({ delay, strays: strays(home.images) }).toEqual({ delay, strays: [] });
    expect(storeContents(home.images)).toEqual(expected);
  }
  console.log(
    `kill -9: ${killed}, ${halfway} of them when a part of the cache was there; a pull takes ${usual.toFixed(0)} ms`,
  );
  expect(killed).toBe(KILLS);
  expect(halfway).toBeGreaterThan(KILLS / 10);
});

const storedLayers = (home: PullHome) =>
  existsSync(`${home.images}/layers`)
    ? readdirSync(`${home.images}/layers`).filter((name) => name.endsWith(".entries")).length
    : 0;

test("Ctrl-C ends a pull soon, with its exit code, and what is complete is not downloaded again", async () => {
  const registry = server(await startProxy({ upstream: `http://${reference.split("/")[0]}` }));
  const through = reference.replace(/^[^/]+/, registry.host);
  using home = new PullHome();
  let last = "";
  registry.add({
    // The last layer never ends.
    when: ({ path, method }) => method === "GET" && path.includes("/blobs/"),
    act: async (exchange) => {
      const traffic = blobTraffic(registry.requests).size;
      if (traffic < 4) return;
      last = exchange.request.path;
      await exchange.silence();
    },
  });
  const child = home.start(["images", "pull", "--quiet", through]);
  await until("a layer, and another that stalls", () => last !== "" && storedLayers(home) > 0);
  const start = performance.now();
  child.kill("SIGINT");
  const code = await child.exited;
  expect(performance.now() - start).toBeLessThan(3000);
  expect([code, child.signalCode]).toEqual([130, null]);
  expect(strays(home.images)).toEqual([]);
  registry.reset();
  await home.pulled(through);
  expect(blobTraffic(registry.requests).size).toBeLessThan(6);
});
