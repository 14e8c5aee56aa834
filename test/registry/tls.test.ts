import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdirSync } from "node:fs";
import { tarOf } from "../../src/image/image.fixture.ts";
import {
  type Authority,
  createAuthority,
  PullHome,
  redirect,
  type Server,
  startCraneRegistry,
  startDockerRegistry,
  startProxy,
  useRegistry,
} from "../support/registry/index.ts";

/** https with a certificate authority that nobody knows. */

setDefaultTimeout(30_000);

const { server, scratch, push } = useRegistry();

let authority: Authority;
let registry: Server;
let plain: Server;
let reference: string;

beforeAll(async () => {
  authority = createAuthority(scratch.path);
  const layers = [tarOf({ path: "f", data: "x".repeat(10_000) })];
  registry = server(await startDockerRegistry({ tls: authority.issue(["127.0.0.1", "localhost"]) }));
  reference = await push(registry, layers, "a/b:1", { authority: authority.certificate });
  plain = server(await startCraneRegistry());
  await push(plain, layers, "a/b:1");
});

/** A pull that the certificate must stop. @returns the hint */
async function refused(
  home: PullHome,
  from = reference,
  env: Record<string, string> = {},
): Promise<string | undefined> {
  const { code, hint } = await home.refused(from, { env });
  expect(code).toBe("registry.tls");
  return hint;
}

describe("a private certificate authority", () => {
  test("unknown: refused, with what to do", async () => {
    using home = new PullHome();
    expect(await refused(home)).toContain("ca_file");
  });

  test("in SSL_CERT_FILE", async () => {
    using home = new PullHome();
    await home.pulled(reference, { env: { SSL_CERT_FILE: authority.certificate } });
  });

  test("in ca_file of config.toml", async () => {
    using home = new PullHome();
    home.settings(`[images.registries."${registry.host}"]\nca_file = "${authority.certificate}"\n`);
    await home.pulled(reference);
  });

  test("in ca_file, for another registry only: refused here", async () => {
    using home = new PullHome();
    home.settings(`[images.registries."127.0.0.1:1"]\nca_file = "${authority.certificate}"\n`);
    await refused(home);
  });

  test("another one: refused", async () => {
    using home = new PullHome();
    const other = createAuthority(scratch.directory("other"), "somebody else");
    await refused(home, reference, { SSL_CERT_FILE: other.certificate });
  });

  test("a ca_file that is missing or no certificate: said by name", async () => {
    for (const path of [`${scratch.path}/none.pem`, "/etc/hostname"]) {
      using home = new PullHome();
      home.settings(`[images.registries."${registry.host}"]\nca_file = "${path}"\n`);
      const { code, message } = await home.refused(reference);
      expect([code, message]).toEqual(["registry.tls", expect.stringContaining(path)]);
    }
  });

  test("a relative ca_file is beside config.toml", async () => {
    using home = new PullHome();
    mkdirSync(`${home.path}/pem`);
    copyFileSync(authority.certificate, `${home.path}/pem/ca.pem`);
    home.settings(`[images.registries."${registry.host}"]\nca_file = "pem/ca.pem"\n`);
    await home.pulled(reference);
  });

  test("insecure = true: nobody is asked", async () => {
    using home = new PullHome();
    home.settings(`[images.registries."${registry.host}"]\ninsecure = true\n`);
    await home.pulled(reference);
  });
});

describe("certificates that do not fit", () => {
  const known = () => ({ SSL_CERT_FILE: authority.certificate });

  test("for another name", async () => {
    const tls = authority.issue(["registry.example.com"]);
    const proxy = server(await startProxy({ upstream: plain.url, tls }));
    using home = new PullHome();
    await refused(home, `${proxy.host}/a/b:1`, known());
    expect(proxy.requests).toEqual([]);
  });

  test("that have run out", async () => {
    const tls = authority.issue(["127.0.0.1"], { days: -1 });
    const proxy = server(await startProxy({ upstream: plain.url, tls }));
    using home = new PullHome();
    await refused(home, `${proxy.host}/a/b:1`, known());
  });

  test("of the host that a layer is redirected to", async () => {
    const stranger = createAuthority(scratch.directory("stranger"), "stranger");
    const blobs = server(
      await startProxy({ upstream: plain.url, tls: stranger.issue(["127.0.0.2"]), address: "127.0.0.2" }),
    );
    const proxy = server(await startProxy({ upstream: plain.url, tls: authority.issue(["127.0.0.1"]) }));
    proxy.add({ when: ({ path }) => path.includes("/blobs/"), act: redirect(blobs.url) });
    using home = new PullHome();
    await refused(home, `${proxy.host}/a/b:1`, known());
    expect(blobs.requests).toEqual([]);
  });
});

describe("http and https do not mix by themselves", () => {
  test("an https registry never sends us on to plain http", async () => {
    const blobs = server(await startProxy({ upstream: plain.url, address: "127.0.0.2" }));
    const proxy = server(await startProxy({ upstream: plain.url, tls: authority.issue(["127.0.0.1"]) }));
    proxy.add({ when: ({ path }) => path.includes("/blobs/"), act: redirect(blobs.url) });
    using home = new PullHome();
    const env = { SSL_CERT_FILE: authority.certificate };
    const { code, message } = await home.refused(`${proxy.host}/a/b:1`, { env });
    expect([code, message]).toEqual([
      "registry.bad_answer",
      expect.stringContaining("from https to plain http"),
    ]);
    expect(blobs.requests).toEqual([]);
  });

  test("plain http is for this machine only, and for what config.toml says", async () => {
    using home = new PullHome();
    await home.pulled(`localhost:${plain.host.split(":")[1]}/a/b:1`);
    await home.pulled(`${plain.host}/a/b:1`);
  });
});
