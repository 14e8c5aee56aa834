import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { hostHasIpv6 } from "../../src/net/index.ts";
import { SMALL, useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { onBoth, onQemu } from "../support/register.ts";

/** A guest's programs, and what they reach through the stack: src/net, a VM's card, and the agent's settings together. */

const machines = useMachines();

let server: Bun.Server<undefined>;
/** Says, as a hash, what it was sent. */
let sink: Server;
let sinkPort = 0;
const BIG = Buffer.from(Array.from({ length: 4_000_000 }, (_, i) => (i * 31 + (i >> 9)) & 255));
const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
beforeAll(async () => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => new Response(new URL(url).pathname === "/big" ? BIG : "hello from the host"),
  });
  sink = createServer({ allowHalfOpen: true }, (socket) => {
    const hasher = new Bun.CryptoHasher("sha256");
    socket.on("data", (bytes) => hasher.update(bytes));
    socket.on("end", () => socket.end(hasher.digest("hex")));
  });
  await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
  sinkPort = (sink.address() as AddressInfo).port;
});
afterAll(() => {
  void server.stop(true);
  sink.close();
});

const run = async (options: readonly string[], script: string) => {
  const { output, stderr, exitCode } = await machines.machine(
    ["run", ...SMALL, ...options, "--", "sh", "-c", script],
    { seconds: 120 },
  );
  if (exitCode !== 0) throw new Error(`${exitCode}: ${output}${stderr}`);
  return output.trim();
};

describe("a machine without the network", () => {
  onQemu("has no card, no route and no resolver", async () => {
    const output = await run(
      [],
      "ls /sys/class/net; ip route; cat /etc/resolv.conf; nslookup localhost 2>&1 | tail -n 1",
    );
    expect(output.split("\n")[0]).toBe("lo");
    expect(output).not.toContain("eth0");
    expect(output).not.toContain("nameserver");
  });
});

describe("a machine with the network", () => {
  onBoth("has the addresses that it is known for, and a route by IPv6 where the host has one", async () => {
    const output = await run(["--net"], "ip addr show dev eth0; ip route; ip -6 route; cat /etc/resolv.conf");
    expect(output).toContain("mtu 65520");
    expect(output).toContain("link/ether 02:53:4d:00:00:02");
    expect(output).toContain("inet 100.96.0.2/30");
    expect(output).toContain("default via 100.96.0.1 dev eth0");
    expect(output).toContain("nameserver 100.96.0.1");
    expect(output.includes("default via fd00:53:4d::1")).toBe(hostHasIpv6());
  });

  onQemu(
    "reaches the host's loopback only when that is allowed, and is refused at once otherwise",
    async () => {
      const url = `http://100.96.0.1:${server.port}/`;
      const script = `date +%s; wget -T 5 -qO- ${url} 2>&1; date +%s; ping -c 1 100.96.0.1 | grep -c ttl=`;
      const closed = await run(["--net"], script);
      const [begun, said, ended, pinged] = closed.split("\n");
      expect(said).toContain("refused");
      expect(Number(ended) - Number(begun)).toBeLessThanOrEqual(2);
      expect(pinged).toBe("1");
      const open = await run(
        ["--net", "--allow-host-loopback"],
        `wget -qO- http://host.smolvm.internal:${server.port}/`,
      );
      expect(open).toBe("hello from the host");
    },
  );

  onBoth("moves bytes as they are, both ways", async () => {
    const url = `http://100.96.0.1:${server.port}`;
    const output = await run(
      ["--net", "--allow-host-loopback"],
      `wget -qO /tmp/big ${url}/big && sha256sum </tmp/big && nc 100.96.0.1 ${sinkPort} </tmp/big`,
    );
    expect(output.split("\n").map((line) => line.split(" ")[0])).toEqual([sha256(BIG), sha256(BIG)]);
  });
});

onBoth(
  "--proxy-env brings the host's proxies and its file of certificates, which the guest cannot change",
  async () => {
    const file = join(mkdtempSync(join(tmpdir(), "sv-ca-")), "ca.pem");
    writeFileSync(file, "certificates\n");
    const script =
      'echo $http_proxy; cat "$SSL_CERT_FILE"; (echo mine >"$SSL_CERT_FILE") 2>/dev/null || echo kept';
    const { output, exitCode } = await machines.machine(
      ["run", ...SMALL, "--net", "--proxy-env", "--", "sh", "-c", script],
      { seconds: 120, env: { http_proxy: "http://127.0.0.1:3128", SSL_CERT_FILE: file } },
    );
    expect([output, exitCode]).toEqual(["http://host.smolvm.internal:3128\ncertificates\nkept\n", 0]);
    expect(readFileSync(file, "utf8")).toBe("certificates\n");
    rmSync(dirname(file), { recursive: true });
  },
);

describe("a published port", () => {
  onQemu(
    "leads to the guest's service, is refused while there is none, and is free when the machine has stopped",
    async () => {
      await machines.create("echo", "-p", "0:80");
      await machines.ok("start", "echo");
      const [port] = (await machines.state("echo")).published;
      const answer = (text: string) =>
        new Promise<string>((resolve) => {
          const socket = connect({ host: "127.0.0.1", port: port?.host_port ?? 0 }, () => socket.end(text));
          socket.on("data", (bytes) => resolve(bytes.toString()));
          socket.on("end", () => resolve("ended"));
          socket.on("error", (error) => resolve((error as { code?: string }).code ?? "error"));
        });
      expect(await answer("hello")).toBe("ECONNRESET");
      await machines.ok("exec", "--name", "echo", "-d", "--", "nc", "-lk", "-p", "80", "-e", "cat");
      // busybox listens anew after each connection: it may be between two.
      for (const word of ["one", "two", "three"])
        await until("the service answers", async () => (await answer(word)) === word);
      await machines.ok("stop", "echo");
      expect(await answer("hello")).toBe("ECONNREFUSED");
      await machines.ok("delete", "-f", "echo");
    },
  );
});
