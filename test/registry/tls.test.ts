import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdirSync } from "node:fs";
import { tarOf } from "../../src/image/testing.ts";
import { writeLayout } from "../image/layout.ts";
import { Scratch } from "../image/tools.ts";
import {
  type Authority,
  createAuthority,
  PullHome,
  pushLayout,
  redirect,
  type Server,
  startCraneRegistry,
  startDockerRegistry,
  startProxy,
  useServers,
} from "../support/registry/index.ts";

/** https with a certificate authority that nobody knows. */

setDefaultTimeout(30_000);

const server = useServers();
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

let authority: Authority;
let registry: Server;
let plain: Server;
let reference: string;

beforeAll(async () => {
  authority = createAuthority(scratch.path);
  const layout = scratch.directory("layout");
  writeLayout(layout, [tarOf({ path: "f", data: "x".repeat(10_000) })], { compression: "gzip" });
  registry = server(await startDockerRegistry({ tls: authority.issue(["127.0.0.1", "localhost"]) }));
  reference = await pushLayout(registry, layout, "a/b:1", { authority: authority.certificate });
  plain = server(await startCraneRegistry());
  await pushLayout(plain, layout, "a/b:1");
});

/** A pull that the certificate must stop. */
async function refused(home: PullHome, from = reference, env: Record<string, string> = {}): Promise<string> {
  const { exitCode, stderr } = await home.pull(from, { env });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/certificate/i);
  return stderr;
}

describe("a private certificate authority", () => {
  test("unknown: refused, with what to do", async () => {
    using home = new PullHome();
    expect(await refused(home)).toMatch(/SSL_CERT_FILE|ca_file/);
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
      const { exitCode, stderr } = await home.pull(reference);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(path);
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
    const { exitCode, stderr } = await home.pull(`${proxy.host}/a/b:1`, {
      env: { SSL_CERT_FILE: authority.certificate },
    });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/redirect|http/);
    expect(blobs.requests).toEqual([]);
  });

  test("plain http is for this machine only, and for what config.toml says", async () => {
    using home = new PullHome();
    await home.pulled(`localhost:${plain.host.split(":")[1]}/a/b:1`);
    await home.pulled(`${plain.host}/a/b:1`);
  });
});
