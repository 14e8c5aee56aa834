import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { tarOf } from "../../src/image/testing.ts";
import { writeLayout } from "../image/layout.ts";
import { Scratch } from "../image/tools.ts";
import {
  type Authority,
  blobTraffic,
  createAuthority,
  dropAfter,
  expectNowhere,
  isBlobOf,
  PullHome,
  pushLayout,
  randomBytes,
  reply,
  requireToken,
  type SeenRequest,
  type Server,
  startDockerRegistry,
  startProxy,
  startTokenServer,
  useServers,
} from "../support/registry/index.ts";

/** Who one is: tokens, passwords, and where they come from; and that they go nowhere else. */

setDefaultTimeout(30_000);

const server = useServers();
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

/** Occurs nowhere but where it belongs. */
const PASSWORD = "canary-7d1f:with:colons";
const users = { me: PASSWORD };
const encoded = Buffer.from(`me:${PASSWORD}`).toString("base64");

let layout: string;
let large: string;
let authority: Authority;
/** Without authentication. */
let plain: Server;

beforeAll(async () => {
  authority = createAuthority(scratch.path);
  layout = scratch.directory("layout");
  const layers = [
    tarOf({ path: "large", data: randomBytes(1_200_000) }),
    tarOf({ path: "small", data: "y" }),
  ];
  writeLayout(layout, layers, {
    compression: "gzip",
    editManifest: ({ layers: [first] }) => {
      large = first?.digest ?? "";
    },
  });
  plain = server(await startDockerRegistry());
  await pushLayout(plain, layout, "team/image:1");
});

/** Pushes the image to a registry that wants a password. */
const pushAs = async (registry: Server) =>
  await pushLayout(registry, layout, "team/image:1", { credentials: `me:${PASSWORD}` });

const expectNoSecret = (home: PullHome, ...said: string[]) =>
  expectNowhere(home, ["canary-7d1f", encoded], said);

describe("bearer tokens", () => {
  test("of docker-registry: one token, for no more than pulling this repository", async () => {
    const tokens = server(startTokenServer({ authority, users }));
    const registry = server(await startDockerRegistry({ tokens }));
    const reference = await pushAs(registry);
    const before = tokens.requests.length;
    using home = new PullHome();
    home.dockerConfig({ auths: { [registry.host]: { auth: encoded } } });
    const { stderr } = await home.pulled(reference);
    expect(tokens.requests.slice(before)).toEqual([
      {
        method: "GET",
        service: "registry.test",
        scopes: ["repository:team/image:pull"],
        user: "me",
        grant: undefined,
      },
    ]);
    expectNoSecret(home, stderr);
  });

  test("for nobody in particular: no credentials are needed, and none are sent", async () => {
    const tokens = server(startTokenServer({ authority }));
    const proxy = server(
      await startProxy({ upstream: plain.url, rules: [{ when: () => true, act: requireToken(tokens) }] }),
    );
    using home = new PullHome();
    await home.pulled(`${proxy.host}/team/image:1`);
    expect(tokens.requests.map(({ user, method }) => [user, method])).toEqual([[undefined, "GET"]]);
  });

  test("that run out in the middle of a pull (docker-registry)", async () => {
    // The registry allows a minute more than the token says.
    const tokens = server(startTokenServer({ authority, seconds: -58, announcedSeconds: 300 }));
    const registry = server(await startDockerRegistry({ tokens }));
    await pushLayout(registry, layout, "team/image:1");
    const late = { when: isBlobOf(large), times: 1, act: async () => await Bun.sleep(3000) };
    const proxy = server(await startProxy({ upstream: registry.url, rules: [late] }));
    const before = tokens.requests.length;
    using home = new PullHome('[pull]\nstall_timeout = "10s"\nattempts = 3\n');
    await home.pulled(`${proxy.host}/team/image:1`);
    expect(tokens.requests.length - before).toBeGreaterThanOrEqual(2);
    expect(proxy.requests.filter(isBlobOf(large)).map(({ status }) => status)).toEqual([401, 200]);
  });

  test("that run out in the middle of a layer: the download goes on with a new one where it broke", async () => {
    const tokens = server(startTokenServer({ authority }));
    const proxy = server(await startProxy({ upstream: plain.url }));
    const drop = dropAfter(plain.url, 500_000);
    proxy.add(
      { when: () => true, act: requireToken(tokens) },
      {
        when: isBlobOf(large),
        times: 1,
        act: async (exchange) => {
          tokens.revoke();
          await drop(exchange);
        },
      },
    );
    using home = new PullHome();
    await home.pulled(`${proxy.host}/team/image:1`);
    const fetches = proxy.requests.filter(isBlobOf(large));
    expect(fetches.at(-1)).toMatchObject({ status: 206, headers: { range: "bytes=500000-" } });
    expect(
      proxy.requests.slice(proxy.requests.indexOf(fetches[0] as SeenRequest)).map(({ status }) => status),
    ).toContain(401);
    expect(blobTraffic(proxy.requests).get(large)?.requests).toBe(2);
    expect(tokens.requests.length).toBeGreaterThanOrEqual(2);
  });

  test("as OAuth2 answers: access_token, without a time", async () => {
    const tokens = server(startTokenServer({ authority, answer: (token) => ({ access_token: token }) }));
    const proxy = server(
      await startProxy({ upstream: plain.url, rules: [{ when: () => true, act: requireToken(tokens) }] }),
    );
    using home = new PullHome();
    await home.pulled(`${proxy.host}/team/image:1`);
  });

  test("for an identity token (docker login with a browser): OAuth2's refresh grant", async () => {
    const refreshTokens = ["canary-7d1f-identity"];
    const tokens = server(startTokenServer({ authority, users, refreshTokens }));
    const proxy = server(
      await startProxy({ upstream: plain.url, rules: [{ when: () => true, act: requireToken(tokens) }] }),
    );
    using home = new PullHome();
    home.dockerConfig({ auths: { [proxy.host]: { identitytoken: "canary-7d1f-identity" } } });
    const { stderr } = await home.pulled(`${proxy.host}/team/image:1`);
    expect(tokens.requests).toEqual([
      expect.objectContaining({ method: "POST", user: "by refresh token", grant: "refresh_token" }),
    ]);
    expectNoSecret(home, stderr);
  });

  test("a wrong password is said as such, without the password", async () => {
    const tokens = server(startTokenServer({ authority, users }));
    const proxy = server(
      await startProxy({ upstream: plain.url, rules: [{ when: () => true, act: requireToken(tokens) }] }),
    );
    using home = new PullHome();
    const wrong = Buffer.from("me:canary-7d1f-wrong").toString("base64");
    home.dockerConfig({ auths: { [proxy.host]: { auth: wrong } } });
    const { exitCode, stderr } = await home.pull(`${proxy.host}/team/image:1`);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/credentials|password|unauthorized|not allowed|refuse/i);
    expect(tokens.requests.length).toBeLessThanOrEqual(2);
    expectNoSecret(home, stderr);
  });

  const answers: Record<string, Parameters<typeof reply>> = {
    "is no JSON": [200, {}, "<html>"],
    "has no token": [200, {}, "{}"],
    "has a token that would break the request": [200, {}, JSON.stringify({ token: "a\r\nX-Evil: 1" })],
    "is 20 MB": [200, {}, JSON.stringify({ token: "x".repeat(20 << 20) })],
    "leads in a circle": [307, { location: "/token" }, ""],
  };
  for (const [what, answer] of Object.entries(answers)) {
    test(`an answer of the token server that ${what}: refused`, async () => {
      const realm = server(await startProxy({ rules: [{ when: () => true, act: reply(...answer) }] }));
      const bearer = `Bearer realm="${realm.url}/token",service="s",scope="repository:team/image:pull"`;
      const proxy = server(
        await startProxy({ rules: [{ when: () => true, act: reply(401, { "www-authenticate": bearer }) }] }),
      );
      using home = new PullHome();
      const { exitCode, stderr } = await home.pull(`${proxy.host}/team/image:1`, { seconds: 20 });
      expect([exitCode, stderr.length < 2000]).toEqual([1, true]);
      expect(realm.requests.length).toBeLessThanOrEqual(25);
    });
  }

  test("a realm over plain http gets no password (reliability 2c, CVE-2020-15157)", async () => {
    const bearer = 'Bearer realm="http://tokens.example/token",service="s"';
    const proxy = server(
      await startProxy({ rules: [{ when: () => true, act: reply(401, { "www-authenticate": bearer }) }] }),
    );
    // Whatever wants to leave this machine comes by here.
    const outside = server(await startProxy());
    using home = new PullHome();
    home.dockerConfig({ auths: { [proxy.host]: { auth: encoded } } });
    const { exitCode, stderr } = await home.pull(`${proxy.host}/team/image:1`, {
      env: { HTTP_PROXY: outside.url, HTTPS_PROXY: outside.url, NO_PROXY: "127.0.0.1" },
    });
    expect([exitCode, outside.requests]).toEqual([1, []]);
    expect(stderr).toMatch(/http/);
    expectNoSecret(home, stderr);
  });
});

describe("passwords", () => {
  let registry: Server;
  let reference: string;
  beforeAll(async () => {
    registry = server(await startDockerRegistry({ users }));
    reference = await pushAs(registry);
  });

  test("none: refused, and it says how to log in", async () => {
    using home = new PullHome();
    const { exitCode, stderr } = await home.pull(reference);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/credentials|log ?in|password/i);
  });

  const helper = (home: PullHome, name: string, script: string) => {
    const bin = `${home.path}/bin`;
    mkdirSync(bin, { recursive: true });
    writeFileSync(`${bin}/docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
    chmodSync(`${bin}/docker-credential-${name}`, 0o755);
    return { env: { PATH: `${bin}:/usr/bin:/bin` } };
  };
  /** A helper as docker's credential helpers protocol has it: `get`, the registry on stdin, JSON on stdout. */
  const honest = () => `read host; [ "$1 $host" = "get ${registry.host}" ] || exit 1
printf '{"ServerURL":"%s","Username":"me","Secret":"%s"}' "$host" '${PASSWORD}'`;

  type Setup = (home: PullHome) => { env?: Record<string, string> } | undefined;
  const ways: Record<string, Setup> = {
    "docker's config.json": (home) => {
      home.dockerConfig({ auths: { [registry.host]: { auth: encoded } } });
      return undefined;
    },
    "docker's config.json, by URL": (home) => {
      home.dockerConfig({ auths: { [`https://${registry.host}/v1/`]: { auth: encoded } } });
      return undefined;
    },
    "docker's config.json, with name and password": (home) => {
      home.dockerConfig({ auths: { [registry.host]: { username: "me", password: PASSWORD } } });
      return undefined;
    },
    "~/.docker/config.json": (home) => {
      mkdirSync(`${home.path}/elsewhere/.docker`, { recursive: true });
      const document = { auths: { [registry.host]: { auth: encoded } } };
      writeFileSync(`${home.path}/elsewhere/.docker/config.json`, JSON.stringify(document));
      Reflect.deleteProperty(home.env, "DOCKER_CONFIG");
      return { env: { HOME: `${home.path}/elsewhere` } };
    },
    "a credential helper for this registry": (home) => {
      home.dockerConfig({ credHelpers: { [registry.host]: "test" } });
      return helper(home, "test", honest());
    },
    "a credential store": (home) => {
      home.dockerConfig({ auths: { [registry.host]: {} }, credsStore: "test" });
      return helper(home, "test", honest());
    },
    "podman's auth.json": (home) => {
      const path = `${home.path}/auth.json`;
      writeFileSync(path, JSON.stringify({ auths: { [registry.host]: { auth: encoded } } }));
      return { env: { REGISTRY_AUTH_FILE: path } };
    },
    "config.toml, in the file": (home) => {
      home.settings(`[images.registries."${registry.host}"]\nusername = "me"\npassword = "${PASSWORD}"\n`);
      return undefined;
    },
    "config.toml, in an environment variable": (home) => {
      home.settings(`[images.registries."${registry.host}"]\nusername = "me"\npassword_env = "MY_SECRET"\n`);
      return { env: { MY_SECRET: PASSWORD } };
    },
    "config.toml, which wins over docker's": (home) => {
      home.settings(`[images.registries."${registry.host}"]\nusername = "me"\npassword = "${PASSWORD}"\n`);
      home.dockerConfig({ auths: { [registry.host]: { auth: Buffer.from("me:no").toString("base64") } } });
      return undefined;
    },
  };
  for (const [name, setup] of Object.entries(ways)) {
    test(`from ${name}`, async () => {
      using home = new PullHome();
      const { stderr } = await home.pulled(reference, setup(home) ?? {});
      expectNoSecret(home, stderr);
    });
  }

  test("wrong: refused, without saying it", async () => {
    using home = new PullHome();
    home.settings(
      `[images.registries."${registry.host}"]\nusername = "me"\npassword = "canary-7d1f-wrong"\n`,
    );
    const { exitCode, stderr } = await home.pull(reference);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/credentials|password|unauthorized|not allowed/i);
    expectNoSecret(home, stderr);
  });

  test("a helper's name cannot be a path (reliability 2c: hostile helper name)", async () => {
    for (const name of ["../../evil", "a/b", "/bin/sh", "x;touch y", "", "a b", "-x"]) {
      using home = new PullHome();
      home.dockerConfig({ credHelpers: { [registry.host]: name } });
      writeFileSync(`${home.path}/evil`, `#!/bin/sh\ntouch ${home.path}/ran\n`, { mode: 0o755 });
      mkdirSync(`${home.path}/bin/docker-credential-`, { recursive: true });
      const { exitCode } = await home.pull(reference, { env: { PATH: `${home.path}/bin:/usr/bin:/bin` } });
      expect([name, exitCode]).toEqual([name, 1]);
      expect(readdirSync(home.path)).not.toContain("ran");
    }
  });

  test("a helper that fails, floods, or speaks nonsense: a clear error, without its output", async () => {
    for (const script of [
      "echo canary-7d1f >&2; exit 3",
      'echo \'{"Username":"me"\'',
      "yes canary-7d1f",
      "kill -9 $$",
    ]) {
      using home = new PullHome();
      home.dockerConfig({ credHelpers: { [registry.host]: "bad" } });
      const { exitCode, stderr } = await home.pull(reference, helper(home, "bad", script));
      expect([script, exitCode]).toEqual([script, 1]);
      expect(stderr).toContain("docker-credential-bad");
      await home.expectNothingLeft();
    }
  });

  test("are not sent to a registry of another name or port", async () => {
    const other = server(
      await startProxy({
        rules: [{ when: () => true, act: reply(401, { "www-authenticate": 'Basic realm="give"' }) }],
      }),
    );
    using home = new PullHome();
    home.dockerConfig({ auths: { [registry.host]: { auth: encoded }, "127.0.0.1": { auth: encoded } } });
    await home.pull(`${other.host}/team/image:1`);
    expect(other.requests.length).toBeGreaterThan(0);
    for (const { headers } of other.requests) expect(headers.authorization).toBeUndefined();
  });
});
