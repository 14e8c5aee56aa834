import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { tarOf } from "../../src/image/image.fixture.ts";
import { differences } from "../image/listing.ts";
import { seededRandom } from "../support/random.ts";
import {
  blobTraffic,
  type LyingProxy,
  type PullError,
  PullHome,
  pulledTree,
  randomBytes,
  startDockerRegistry,
  startProxy,
  storeContents,
  strays,
  trickle,
  useRegistry,
} from "../support/registry/index.ts";

/** Many processes that pull images which share layers, at the same time. */

setDefaultTimeout(120_000);

const IMAGES = 5;
const PROCESSES = 20;

const { server, scratch, push } = useRegistry();

let proxy: LyingProxy;
let upstream: string;
/** Layer digests of all images, each once. */
const layers = new Set<string>();

beforeAll(async () => {
  const registry = server(await startDockerRegistry());
  upstream = registry.url;
  const make = (name: string) => tarOf({ path: name, data: randomBytes(400_000) });
  const base = make("base");
  // Each has the base, two layers of its neighbours, and one of its own.
  const shared = Array.from({ length: IMAGES }, (_, at) => make(`shared-${at}`));
  for (let image = 0; image < IMAGES; image++) {
    const neighbours = [shared[image], shared[(image + 1) % IMAGES]].filter((layer) => layer !== undefined);
    await push(registry, [base, ...neighbours, make(`own-${image}`)], `over/lap:${image}`, {
      editManifest: (manifest) => {
        for (const { digest } of manifest.layers) layers.add(digest);
      },
    });
  }
  proxy = server(await startProxy({ upstream }));
});

test(`${PROCESSES} processes, ${IMAGES} images, one cache: all succeed, and each layer is downloaded once`, async () => {
  // Slow enough that all of them are there at once.
  proxy.add({ when: ({ path }) => path.includes("/blobs/"), act: trickle(upstream, 40_000, 20) });
  using home = new PullHome();
  const runs = Array.from({ length: PROCESSES }, (_, at) =>
    home.pulled(`${proxy.host}/over/lap:${at % IMAGES}`),
  );
  await Promise.all(runs);
  expect(layers.size).toBe(IMAGES * 2 + 1);
  const traffic = blobTraffic(proxy.requests);
  expect([...layers].map((digest) => traffic.get(digest)?.requests)).toEqual([...layers].map(() => 1));
  expect(strays(home.images)).toEqual([]);

  using alone = new PullHome();
  for (let image = 0; image < IMAGES; image++) {
    const reference = `${proxy.host}/over/lap:${image}`;
    await alone.pulled(reference);
    const [one, other] = [
      await pulledTree(home, reference, scratch),
      await pulledTree(alone, reference, scratch),
    ];
    expect([one.size, differences(other, one)]).toEqual([5, []]);
  }
  expect(storeContents(home.images)).toEqual(storeContents(alone.images));
});

test("some of them killed: the others take over their work", async () => {
  const random = seededRandom("kill -9 among many");
  proxy.reset();
  using home = new PullHome();
  const children = Array.from({ length: PROCESSES }, (_, at) =>
    home.start(["images", "pull", "--quiet", `${proxy.host}/over/lap:${at % IMAGES}`]),
  );
  const codes = await Promise.all(
    children.map(async (child, at) => {
      if (at % 2 === 0) {
        await Bun.sleep(random() * 600);
        child.kill("SIGKILL");
      }
      return { at, code: await child.exited, stderr: await new Response(child.stderr).text() };
    }),
  );
  for (const { at, code, stderr } of codes)
    if (at % 2 === 1) expect({ at, code, stderr }).toEqual({ at, code: 0, stderr: "" });
  for (let image = 0; image < IMAGES; image++) await home.pulled(`${proxy.host}/over/lap:${image}`);
  expect(strays(home.images)).toEqual([]);
  expect(home.processes()).toEqual([]);
});

test("removed and pruned while others pull: every pull ends with a whole image or a clear error", async () => {
  proxy.reset();
  using home = new PullHome();
  const pulls = Array.from({ length: 12 }, (_, at) => home.pull(`${proxy.host}/over/lap:${at % IMAGES}`));
  const removals = Array.from({ length: 8 }, async (_, at) => {
    await Bun.sleep(at * 40);
    const words = at % 2 === 0 ? ["prune", "--all"] : ["rm", `${proxy.host}/over/lap:${at % IMAGES}`];
    return await home.smolvm(["images", ...words, "--json"]);
  });
  for (const { exitCode, stderr } of await Promise.all(pulls))
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
  for (const { exitCode, stderr } of await Promise.all(removals))
    if (exitCode !== 0) {
      const { error } = JSON.parse(stderr) as { error: PullError };
      expect(["image.not_found", "image.in_use"]).toContain(error.code);
    }
  for (let image = 0; image < IMAGES; image++) {
    const reference = `${proxy.host}/over/lap:${image}`;
    await home.pulled(reference);
    expect((await pulledTree(home, reference, scratch)).size).toBe(5);
  }
  expect(strays(home.images)).toEqual([]);
});
