import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { tarOf } from "../../src/image/image.fixture.ts";
import {
  type Authority,
  blobTraffic,
  createAuthority,
  flipBit,
  isBlob,
  isManifest,
  type LyingProxy,
  PullHome,
  type Rule,
  randomBytes,
  redirect,
  reply,
  type Server,
  startDockerRegistry,
  startForwardProxy,
  startProxy,
  storeContents,
  useRegistry,
} from "../support/registry/index.ts";

/** Ways to a registry that are not the straight one: proxies and mirrors. */

setDefaultTimeout(30_000);

const { server, scratch, push } = useRegistry();

let authority: Authority;
let registry: Server;
/** The same registry, by https. */
let secure: LyingProxy;

beforeAll(async () => {
  authority = createAuthority(scratch.path);
  registry = server(await startDockerRegistry());
  await push(registry, [tarOf({ path: "f", data: randomBytes(500_000) }), tarOf({ path: "g" })], "a/b:1");
  const tls = authority.issue(["registry.example", "blobs.example"]);
  secure = server(await startProxy({ upstream: registry.url, tls }));
});

describe("proxies", () => {
  const hosts = () => ({
    "registry.example:443": secure.host,
    "blobs.example:443": secure.host,
    "plain.example:80": registry.host,
  });
  const known = () => ({ SSL_CERT_FILE: authority.certificate });

  for (const variable of ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"]) {
    test(`${variable}: a tunnel, through which the certificate is checked`, async () => {
      const proxy = server(await startForwardProxy({ hosts: hosts() }));
      using home = new PullHome();
      const env = { [variable]: proxy.url };
      await home.pulled("registry.example/a/b:1", { env: { ...env, ...known() } });
      expect(new Set(proxy.passed.map(({ method, target }) => `${method} ${target}`))).toEqual(
        new Set(["CONNECT registry.example:443"]),
      );
      using stranger = new PullHome();
      expect((await stranger.refused("registry.example/a/b:1", { env })).code).toBe("registry.tls");
    });
  }

  test("--proxy wins over the environment, and --no-proxy over that", async () => {
    const proxy = server(await startForwardProxy({ hosts: hosts() }));
    using home = new PullHome();
    const env = { ...known(), HTTPS_PROXY: "http://127.0.0.1:1" };
    await home.pulled("registry.example/a/b:1", { env, options: ["--proxy", proxy.url] });
    const before = proxy.passed.length;
    expect(before).toBeGreaterThan(0);
    const options = ["--proxy", proxy.url, "--no-proxy", "127.0.0.0/8"];
    await home.pulled(`${registry.host}/a/b:1`, { options });
    expect(proxy.passed.length).toBe(before);
  });

  test("HTTP_PROXY for a registry that is said to be plain; NO_PROXY for the others", async () => {
    const proxy = server(await startForwardProxy({ hosts: hosts() }));
    using home = new PullHome();
    home.settings('[images.registries."plain.example"]\ninsecure = true\n');
    const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NO_PROXY: "127.0.0.1" };
    await home.pulled("plain.example/a/b:1", { env });
    expect(proxy.passed.some(({ target }) => target.startsWith("http://plain.example/v2/a/b/blobs/"))).toBe(
      true,
    );
    const before = proxy.passed.length;
    await home.pulled(`${registry.host}/a/b:1`, { env });
    expect(proxy.passed.length).toBe(before);
  });

  test("a proxy's password goes to the proxy, and to nobody else", async () => {
    const proxy = server(await startForwardProxy({ hosts: hosts(), credentials: "me:canary-5e2" }));
    using home = new PullHome();
    const at = secure.requests.length;
    const url = proxy.url.replace("://", "://me:canary-5e2@");
    const { stderr } = await home.pulled("registry.example/a/b:1", { env: { ...known(), HTTPS_PROXY: url } });
    expect(JSON.stringify(secure.requests.slice(at))).not.toMatch(/canary-5e2|proxy-auth/i);
    const wrong = await home.pull("registry.example/a/b:1", {
      env: { ...known(), HTTPS_PROXY: url.replace("canary-5e2", "canary-5e2-wrong") },
    });
    expect(wrong.exitCode).toBe(1);
    for (const said of [stderr, wrong.stderr]) expect(said).not.toContain("canary-5e2");
  });

  test("a proxy that is not there: said, by its address", async () => {
    using home = new PullHome();
    const env = { ...known(), HTTPS_PROXY: "http://127.0.0.1:1" };
    const { code, message } = await home.refused("registry.example/a/b:1", { env });
    expect([code, message]).toEqual([
      "registry.unreachable",
      expect.stringContaining("nothing listens at 127.0.0.1:1"),
    ]);
  });
});

describe("mirrors", () => {
  /** Pulls from the registry `127.0.0.1:port` with mirrors in front. */
  async function pull(origin: LyingProxy, ...mirrors: LyingProxy[]) {
    using home = new PullHome();
    const list = mirrors.map(({ url }) => `"${url}"`).join(", ");
    home.settings(
      `[images.registries."${origin.host}"]\nmirrors = [${list}]\n[pull]\nstall_timeout = "1s"\n`,
    );
    const result = await home.pull(`${origin.host}/a/b:1`);
    return { ...result, contents: result.exitCode === 0 ? storeContents(home.images) : undefined };
  }
  const start = async (...rules: Rule[]) => server(await startProxy({ upstream: registry.url, rules }));
  const always = () => true;

  test("are asked first, and the registry not at all", async () => {
    const [origin, mirror] = [await start(), await start()];
    expect((await pull(origin, mirror)).exitCode).toBe(0);
    expect([origin.requests.length, blobTraffic(mirror.requests).size]).toEqual([0, 3]);
  });

  const faults: Record<string, (origin: LyingProxy) => Rule[]> = {
    "that are not there": () => [],
    "that know nothing": () => [{ when: always, act: reply(404) }],
    "that are broken": () => [{ when: always, act: reply(500) }],
    "that want a password": () => [
      { when: always, act: reply(401, { "www-authenticate": 'Basic realm="x"' }) },
    ],
    "that send us away": (origin) => [{ when: always, act: redirect(`${origin.url}/elsewhere`) }],
    "that have wrong layers": () => [{ when: isBlob, act: flipBit(registry.url, 3) }],
    "that have no layers": () => [{ when: isBlob, act: reply(404) }],
  };
  for (const [what, rules] of Object.entries(faults)) {
    test(`${what}: the registry's own image`, async () => {
      const origin = await start();
      const mirror = await start();
      mirror.add(...rules(origin));
      if (what === "that are not there") await mirror.stop();
      const expected = await pull(await start());
      const { exitCode, stderr } = await pull(origin, mirror);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.anything() });
      expect(expected.exitCode).toBe(0);
      expect(blobTraffic(origin.requests).size).toBeGreaterThan(0);
    });
  }

  test("a manifest by digest from a mirror that changes it: not believed", async () => {
    const origin = await start();
    const mirror = await start({ when: isManifest, act: flipBit(registry.url, 10) });
    const manifest = await fetch(`${registry.url}/v2/a/b/manifests/1`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
    });
    const digest = new Bun.CryptoHasher("sha256").update(await manifest.bytes()).digest("hex");
    using home = new PullHome();
    home.settings(`[images.registries."${origin.host}"]\nmirrors = ["${mirror.url}"]\n`);
    await home.pulled(`${origin.host}/a/b@sha256:${digest}`);
    expect(mirror.requests.some(isManifest)).toBe(true);
    expect(origin.requests.some(isManifest)).toBe(true);
  });

  test("do not get the registry's password", async () => {
    const [origin, mirror] = [
      await start(),
      await start({ when: always, act: reply(401, { "www-authenticate": 'Basic realm="x"' }) }),
    ];
    using home = new PullHome();
    home.settings(
      `[images.registries."${origin.host}"]\nmirrors = ["${mirror.url}"]\nusername = "me"\npassword = "canary-9c"\n`,
    );
    await home.pulled(`${origin.host}/a/b:1`);
    expect(mirror.requests.length).toBeGreaterThan(0);
    expect(mirror.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  });
});
