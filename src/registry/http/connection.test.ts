import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import {
  type Authority,
  type Certificate,
  createAuthority,
} from "../../../test/support/registry/certificates.ts";
import { startProxy } from "../../../test/support/registry/proxy.ts";
import {
  blob,
  collect,
  content,
  failure,
  honest,
  repositoryAt,
  type TestOptions,
  useRegistry,
} from "../registry.fixture.ts";
import { certificateDirectories } from "./certificates.ts";

const { start } = useRegistry();
const MAX = 1 << 20;
let directory: string;
let authority: Authority;
let good: Certificate;

beforeAll(() => {
  directory = mkdtempSync("/tmp/smolvm-registry-tls-");
  authority = createAuthority(directory);
  good = authority.issue(["127.0.0.1", "localhost"]);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function openssl(...words: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["openssl", ...words]);
  if (exitCode !== 0) throw new Error(`openssl (apt install openssl): ${stderr}`);
}

const known = () => ({ env: { SSL_CERT_FILE: authority.certificate, HOME: "/nonexistent" } });

describe("https with a private authority", () => {
  const refused = async (tls: Certificate, options: TestOptions = {}) => {
    const server = await start(honest, { tls });
    const error = await failure(repositoryAt(server.host, options).manifest("latest", MAX));
    expect(server.requests).toEqual([]);
    return error;
  };

  test("unknown: refused, with what to do", async () => {
    const { code, message, hint } = await refused(good);
    expect([code, message]).toEqual([
      "registry.tls",
      expect.stringMatching(/signed by an unknown authority/),
    ]);
    expect(hint).toMatch(/ca_file.*SSL_CERT_FILE/);
  });

  test("for another host, and run out: refused, with the reason", async () => {
    expect((await refused(authority.issue(["registry.example"]), known())).message).toMatch(
      /for another host/,
    );
    const { message, hint } = await refused(authority.issue(["127.0.0.1"], { days: -1 }), known());
    expect([message, hint]).toEqual([expect.stringMatching(/has expired/), expect.stringMatching(/clock/)]);
  });

  test("signed by itself: refused", async () => {
    const alone = { certificate: `${directory}/alone.pem`, key: `${directory}/alone.key` };
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", alone.key];
    openssl("req", "-x509", ...key, "-out", alone.certificate, "-subj", "/CN=127.0.0.1");
    expect((await refused(alone)).message).toMatch(/signed by itself/);
  });

  const home = () => {
    const path = mkdtempSync(`${directory}/home-`);
    return path;
  };
  const trusted: Readonly<Record<string, (host: string) => TestOptions>> = {
    SSL_CERT_FILE: () => known(),
    SSL_CERT_DIR: () => {
      const path = home();
      writeFileSync(`${path}/ca.pem`, readFileSync(authority.certificate));
      writeFileSync(`${path}/README.pem`, "nothing here");
      writeFileSync(`${path}/broken.crt`, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
      return { env: { SSL_CERT_DIR: `/nonexistent::${path}` } };
    },
    NODE_EXTRA_CA_CERTS: () => ({ env: { NODE_EXTRA_CA_CERTS: authority.certificate } }),
    ca_file: (host) => ({ entries: { [host]: { caFile: authority.certificate } } }),
    "insecure = true": (host) => ({ entries: { [host]: { insecure: true } } }),
  };
  for (const [where, name] of [
    ["~/.docker/certs.d", ".docker"],
    ["~/.config/containers/certs.d", ".config/containers"],
  ] as const) {
    Object.assign(trusted, {
      [where]: (host: string) => {
        const path = home();
        mkdirSync(`${path}/${name}/certs.d/${host}`, { recursive: true });
        writeFileSync(`${path}/${name}/certs.d/${host}/ca.crt`, readFileSync(authority.certificate));
        return { env: { HOME: path } };
      },
    });
  }
  for (const [where, options] of Object.entries(trusted)) {
    test(`known by ${where}`, async () => {
      const server = await start(honest, { tls: good });
      const repository = repositoryAt(server.host, options(server.host));
      await repository.manifest("latest", MAX);
      expect(await collect(repository.blob(blob))).toEqual(content);
      expect(server.requests.length).toBeGreaterThan(2);
    });
  }

  test("a file that was named and cannot be used is an error, with its name", async () => {
    const server = await start(honest, { tls: good });
    for (const caFile of [`${directory}/none.pem`, "/etc/hostname", directory]) {
      const repository = repositoryAt(server.host, { entries: { [server.host]: { caFile } } });
      const { code, message } = await failure(repository.manifest("latest", MAX));
      expect([code, message]).toEqual(["registry.tls", expect.stringContaining(`${caFile} (ca_file)`)]);
    }
  });

  test("directories are those of one registry", () => {
    const directories = certificateDirectories("localhost:5000", { HOME: "/home/me" });
    expect(directories).toEqual([
      "/home/me/.docker/certs.d/localhost:5000",
      "/home/me/.config/docker/certs.d/localhost:5000",
      "/home/me/.config/containers/certs.d/localhost:5000",
      "/etc/docker/certs.d/localhost:5000",
      "/etc/containers/certs.d/localhost:5000",
    ]);
    expect(certificateDirectories("../../x", { HOME: "/home/me" })).toEqual([]);
    expect(certificateDirectories("..", {})).toEqual([]);
  });

  test("our own certificate is shown to the registry, not to its storage", async () => {
    const seen: Record<string, boolean> = {};
    const ask = (name: string, location?: string) =>
      Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        tls: {
          cert: readFileSync(good.certificate),
          key: readFileSync(good.key),
          ca: readFileSync(authority.certificate),
          // The storage would accept anybody who shows a certificate, and nobody does.
          requestCert: name === "registry",
          rejectUnauthorized: name === "registry",
        },
        fetch: () => {
          seen[name] = true;
          return location === undefined ? new Response(content) : Response.redirect(location, 307);
        },
      });
    const storage = ask("storage");
    const registry = ask("registry", `https://127.0.0.1:${storage.port}/x`);
    const host = `127.0.0.1:${registry.port}`;
    const path = home();
    const own = `${path}/.docker/certs.d/${host}`;
    mkdirSync(own, { recursive: true });
    const client = { certificate: `${directory}/me.pem`, key: `${directory}/me.key` };
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", client.key];
    openssl("req", ...key, "-out", `${directory}/me.csr`, "-subj", "/CN=me");
    const signer = ["-CA", authority.certificate, "-CAkey", authority.key, "-set_serial", "99"];
    openssl("x509", "-req", "-in", `${directory}/me.csr`, "-out", client.certificate, ...signer);
    writeFileSync(`${own}/ca.crt`, readFileSync(authority.certificate));
    const without = repositoryAt(host, { env: { HOME: path } });
    await failure(collect(without.blob(blob)));
    expect(seen).toEqual({});
    writeFileSync(`${own}/client.cert`, readFileSync(client.certificate));
    writeFileSync(`${own}/client.key`, readFileSync(client.key));
    const repository = repositoryAt(host, { env: { HOME: path } });
    expect(await collect(repository.blob(blob))).toEqual(content);
    expect(seen).toEqual({ registry: true, storage: true });
    await Promise.all([storage.stop(true), registry.stop(true)]);
  });

  test("never from https to plain http", async () => {
    const plain = await start(honest);
    const server = await start((exchange) => exchange.respond(307, { location: `${plain.url}/x` }, ""), {
      tls: good,
    });
    const { message } = await failure(collect(repositoryAt(server.host, known()).blob(blob)));
    expect(message).toMatch(/redirects from https to plain http/);
    expect(plain.requests).toEqual([]);
  });
});

describe("plain http", () => {
  test("on this machine, by itself", async () => {
    const server = await start(honest);
    await repositoryAt(server.host).manifest("latest", MAX);
    await repositoryAt(server.host.replace("127.0.0.1", "localhost")).manifest("latest", MAX);
  });

  test("declared insecure: https first, then http", async () => {
    const server = await start(honest);
    const entries = { [server.host]: { insecure: true } };
    // It does not even answer a question in TLS.
    await repositoryAt(server.host, { entries, stallMs: 300 }).manifest("latest", MAX);
  });

  test("a mirror that says https gets https, although it is on this machine", async () => {
    let asked = 0;
    const mirror = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(String(++asked)) });
    const server = await start(honest);
    const reasons: string[] = [];
    const entries = { [server.host]: { mirrors: [`https://127.0.0.1:${mirror.port}`] } };
    await repositoryAt(server.host, { entries, onRetry: ({ reason }) => reasons.push(reason) }).manifest(
      "latest",
      MAX,
    );
    expect(reasons).toEqual([expect.stringMatching(/does not speak https/)]);
    expect(asked).toBe(0);
    await mirror.stop(true);
  });

  test("a server of http that dislikes the question is still one", async () => {
    const server = await startProxy({
      rules: [{ when: ({ path }) => path === "/v2/", act: (exchange) => exchange.respond(400, {}, "") }],
    });
    server.add({ when: ({ path }) => path !== "/v2/", act: honest });
    await repositoryAt(server.host, { stallMs: 300 }).manifest("latest", MAX);
    await server.stop();
  });
});

describe("nobody there", () => {
  test("a port where nothing listens, and a host that does not exist: two attempts", async () => {
    const server = await start(honest);
    await server.stop();
    const none = await failure(repositoryAt(server.host).manifest("latest", MAX));
    expect([none.code, none.message]).toEqual([
      "registry.unreachable",
      expect.stringMatching(/^nothing listens at 127\.0\.0\.1:\d+ \(tried 2 times\)$/),
    ]);
    const lost = await failure(repositoryAt("no-such-host.invalid").manifest("latest", MAX));
    expect(lost.message).toMatch(/no host called no-such-host\.invalid/);
  });

  test("a proxy that is not there: the error is about the proxy, not about the registry", async () => {
    const server = await start(honest);
    await server.stop();
    const through = (url: string) =>
      failure(repositoryAt("registry.invalid", { proxy: { url } }).manifest("latest", MAX));
    const none = await through(`http://${server.host}`);
    expect(none.message).toBe(`the proxy is not there: nothing listens at ${server.host} (tried 2 times)`);
    const lost = await through("http://no-such-proxy.invalid:3128");
    expect(lost.message).toBe(
      "the proxy is not there: there is no host called no-such-proxy.invalid (tried 2 times)",
    );
    for (const { code, hint } of [none, lost]) {
      expect([code, hint]).toEqual(["registry.unreachable", expect.stringContaining("HTTPS_PROXY")]);
    }
  });

  test("a host that takes no connections: given up after the time to connect, long before the time to answer", async () => {
    // The queue of connections that wait to be accepted holds one; the kernel ignores those that come after it.
    const full = await fullServer();
    const start = performance.now();
    const repository = repositoryAt(full.host, { connectMs: 400, stallMs: 20_000, attempts: 1 });
    const { code, message } = await failure(repository.manifest("latest", MAX));
    expect([code, message]).toEqual([
      "registry.unreachable",
      expect.stringMatching(/no connection to .* within 0.4 s/),
    ]);
    expect(performance.now() - start).toBeLessThan(5000);
    full.stop();
  });
});

/** A listening socket whose backlog is full: held by a process that is stopped. */
async function fullServer(): Promise<{ host: string; stop: () => void }> {
  const script = `const s = require("node:net").createServer(); s.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(s.address().port))`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    stdout: "pipe",
    env: { BUN_BE_BUN: "1", PATH: "/usr/bin:/bin" },
  });
  const reader = child.stdout.getReader();
  const port = Number(Buffer.from((await reader.read()).value ?? []).toString());
  child.kill("SIGSTOP");
  const sockets = Array.from({ length: 700 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  await Bun.sleep(200);
  return {
    host: `127.0.0.1:${port}`,
    stop() {
      for (const socket of sockets) socket.destroy();
      child.kill("SIGKILL");
    },
  };
}

describe("through a proxy", () => {
  /** An HTTP proxy that leads every name to this machine. */
  async function openProxy(): Promise<{
    url: string;
    heads: string[];
    server: Server;
    to: (port: number) => void;
  }> {
    const heads: string[] = [];
    let target = 0;
    const server = createServer((client) => {
      client.on("error", () => {});
      client.once("data", (chunk) => {
        const head = chunk.toString("latin1");
        heads.push(head);
        const up = connect(target, "127.0.0.1").on("error", () => client.destroy());
        if (head.startsWith("CONNECT ")) client.write("HTTP/1.1 200 OK\r\n\r\n");
        else up.write(head.replace(/^(\w+) http:\/\/[^/]+/, "$1"));
        client.pipe(up).pipe(client);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return { url: `http://me:canary%40pw@127.0.0.1:${port}`, heads, server, to: (to) => (target = to) };
  }

  test("https by CONNECT, with the proxy's password for the proxy alone", async () => {
    const proxy = await openProxy();
    const server = await start(honest, { tls: authority.issue(["registry.test"]) });
    proxy.to(Number(server.host.split(":")[1]));
    const repository = repositoryAt("registry.test", { ...known(), proxy: { url: proxy.url } });
    expect(await collect(repository.blob(blob))).toEqual(content);
    expect(proxy.heads[0]).toMatch(/^CONNECT registry\.test:443 /);
    expect(proxy.heads[0]).toContain(`Basic ${Buffer.from("me:canary@pw").toString("base64")}`);
    for (const { headers } of server.requests) expect(headers["proxy-authorization"]).toBeUndefined();
    proxy.server.close();
  });

  test("http to an insecure registry, from the environment; the process's own NO_PROXY changes nothing", async () => {
    const proxy = await openProxy();
    const server = await start(honest);
    proxy.to(Number(server.host.split(":")[1]));
    process.env.NO_PROXY = "*";
    try {
      const mirror = { entries: { "registry.test": { mirrors: ["http://mirror.test"] } } };
      const repository = repositoryAt("registry.test", { ...mirror, env: { http_proxy: proxy.url } });
      expect(await collect(repository.blob(blob))).toEqual(content);
      expect(proxy.heads[0]).toMatch(/^GET http:\/\/mirror\.test\/v2\//);
      expect(process.env.NO_PROXY).toBe("*");
    } finally {
      delete process.env.NO_PROXY;
    }
    proxy.server.close();
  });

  test("the process's own HTTP_PROXY is not used behind our back", async () => {
    const proxy = await openProxy();
    const server = await start(honest);
    process.env.HTTP_PROXY = proxy.url;
    process.env.http_proxy = proxy.url;
    try {
      await repositoryAt(server.host, { env: {} }).manifest("latest", MAX);
      expect(proxy.heads).toEqual([]);
    } finally {
      delete process.env.HTTP_PROXY;
      delete process.env.http_proxy;
    }
    proxy.server.close();
  });

  test("that fails for a moment is asked again, and its words are cleaned of its password", async () => {
    const proxy = await start((exchange) => {
      const said = Buffer.from(
        (exchange.request.headers["proxy-authorization"] ?? "").replace("Basic ", ""),
        "base64",
      );
      return exchange.respond(
        502,
        { "content-type": "text/plain" },
        `${exchange.request.headers["proxy-authorization"]} ${said}`,
      );
    });
    const url = `http://me:canary%40proxy@${proxy.host}`;
    const tunnel = await failure(repositoryAt("registry.test", { proxy: { url } }).manifest("latest", MAX));
    expect(tunnel.message).toMatch(/status 502 \(tried 3 times\)$/);
    const entries = { "registry.test": { insecure: true } };
    const plain = await failure(
      repositoryAt("registry.test", { proxy: { url }, entries }).manifest("latest", MAX),
    );
    for (const { message, hint } of [tunnel, plain]) {
      expect(`${message} ${hint}`).not.toMatch(/canary|bWU6/);
    }
  });

  test("that refuses, or is not there: said, without its password", async () => {
    const denies = await start((exchange) => exchange.respond(407, {}, ""));
    const url = `http://me:canary-proxy@${denies.host}`;
    const refused = await failure(repositoryAt("registry.test", { proxy: { url } }).manifest("latest", MAX));
    expect([refused.code, refused.message]).toEqual([
      "registry.unreachable",
      `the proxy ${denies.host} refuses to connect to registry.test: status 407`,
    ]);
    expect(refused.hint).toMatch(/user and a password/);
    const entries = { "registry.test": { mirrors: ["http://mirror.test"] } };
    const reasons: string[] = [];
    const onRetry = ({ reason }: { reason: string }) => reasons.push(reason);
    await failure(
      repositoryAt("registry.test", { proxy: { url }, entries, onRetry }).manifest("latest", MAX),
    );
    expect(reasons).toEqual([`the proxy ${denies.host} refuses to connect to mirror.test: status 407`]);
    await denies.stop();
    const gone = await failure(repositoryAt("registry.test", { proxy: { url } }).manifest("latest", MAX));
    expect(gone.message).toContain(denies.host);
    for (const { message, hint } of [refused, gone]) expect(`${message} ${hint}`).not.toContain("canary");
  });
});
