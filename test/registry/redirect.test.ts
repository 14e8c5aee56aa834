import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { tarOf } from "../../src/image/image.fixture.ts";
import {
  type Authority,
  createAuthority,
  expectNowhere,
  hangUp,
  isBlobOf,
  isManifest,
  PullHome,
  randomBytes,
  reply,
  requireToken,
  type Server,
  startDockerRegistry,
  startProxy,
  startTokenServer,
  useRegistry,
} from "../support/registry/index.ts";

/** What is sent to the hosts that a registry sends us on to. */

setDefaultTimeout(30_000);

const { server, scratch, push } = useRegistry();

const PASSWORD = "canary-7d1f";
const users = { me: PASSWORD };
const encoded = Buffer.from(`me:${PASSWORD}`).toString("base64");
const expectNoSecret = (home: PullHome, ...said: string[]) => expectNowhere(home, [PASSWORD, encoded], said);

let large: string;
let authority: Authority;
let plain: Server;

beforeAll(async () => {
  authority = createAuthority(scratch.path);
  const layers = [
    tarOf({ path: "large", data: randomBytes(1_200_000) }),
    tarOf({ path: "small", data: "y" }),
  ];
  plain = server(await startDockerRegistry());
  await push(plain, layers, "team/image:1", {
    editManifest: ({ layers: [first] }) => {
      large = first?.digest ?? "";
    },
  });
});

describe("redirects to another host leak nothing (CVE-2020-15157)", () => {
  test("neither tokens nor passwords, cookies or referers arrive there", async () => {
    const elsewhere = server(await startProxy({ upstream: plain.url, address: "127.0.0.2" }));
    for (const kind of ["bearer", "basic"]) {
      const tokens = server(startTokenServer({ authority, users }));
      const basic = reply(401, { "www-authenticate": 'Basic realm="x"' });
      const wantsPassword = {
        when: ({ headers }: { headers: Readonly<Record<string, string>> }) =>
          headers.authorization !== `Basic ${encoded}`,
        act: basic,
      };
      const proxy = server(await startProxy({ upstream: plain.url }));
      proxy.add(kind === "bearer" ? { when: () => true, act: requireToken(tokens) } : wantsPassword, {
        when: ({ path }) => path.includes("/blobs/"),
        act: async (exchange) =>
          await exchange.respond(307, {
            location: `${elsewhere.url}${exchange.request.path}?signature=canary-7d1f-url`,
            "set-cookie": "session=1",
          }),
      });
      using home = new PullHome();
      home.dockerConfig({ auths: { [proxy.host]: { auth: encoded } } });
      const { stderr } = await home.pulled(`${proxy.host}/team/image:1`);
      expectNoSecret(home, stderr);
    }
    expect(elsewhere.requests.length).toBeGreaterThanOrEqual(6);
    const secretive = ["authorization", "cookie", "referer"];
    const names = elsewhere.requests.flatMap(({ headers }) => Object.keys(headers));
    expect(names.filter((name) => secretive.includes(name))).toEqual([]);
  });

  test("not for manifests, and not after another 401 there", async () => {
    const other = server(
      await startProxy({
        address: "127.0.0.2",
        rules: [{ when: () => true, act: reply(401, { "www-authenticate": 'Basic realm="give it to me"' }) }],
      }),
    );
    const proxy = server(await startProxy({ upstream: plain.url }));
    proxy.add(
      {
        when: ({ headers }) => headers.authorization === undefined,
        act: reply(401, { "www-authenticate": 'Basic realm="x"' }),
      },
      {
        when: isManifest,
        act: async (exchange) => await exchange.respond(302, { location: `${other.url}/steal` }),
      },
    );
    using home = new PullHome();
    home.dockerConfig({ auths: { [proxy.host]: { auth: encoded } } });
    const { exitCode, stderr } = await home.pull(`${proxy.host}/team/image:1`);
    expect(exitCode).toBe(1);
    expectNoSecret(home, stderr);
    expect(other.requests.length).toBeGreaterThan(0);
    for (const { headers } of other.requests) expect(headers.authorization).toBeUndefined();
  });

  test("a signed address that fails is not printed with its signature", async () => {
    const other = server(
      await startProxy({ address: "127.0.0.2", rules: [{ when: () => true, act: hangUp }] }),
    );
    const proxy = server(await startProxy({ upstream: plain.url }));
    proxy.add({
      when: isBlobOf(large),
      act: async (exchange) =>
        await exchange.respond(307, { location: `${other.url}/blob?X-Amz-Signature=canary-7d1f` }),
    });
    using home = new PullHome();
    const { exitCode, stderr } = await home.pull(`${proxy.host}/team/image:1`);
    expect(exitCode).toBe(1);
    expectNoSecret(home, stderr);
  });
});
