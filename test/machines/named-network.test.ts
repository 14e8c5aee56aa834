import { expect } from "bun:test";
import { createServer } from "node:net";
import { resolvePaths } from "../../src/config/paths.ts";
import { isRunning } from "../../src/machine/store/index.ts";
import { useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { slowness } from "../support/program.ts";
import { onBoth, onQemu } from "../support/register.ts";

/** Machines that share a named network, and what a guest with root there cannot do. */

const machines = useMachines();

const listens = async (name: string, ...ports: number[]) => {
  const each = ports.map((port) => `until netstat -ltun | grep -q ':${port} '; do usleep 50000; done`);
  await machines.sh(name, each.join("; "));
};

/** Answers each connection with a word, until the machine ends. */
const serve = async (name: string, port: number, word: string) => {
  const script = `while :; do echo ${word} | nc -l -p ${port}; done`;
  await machines.ok("exec", "--name", name, "-d", "--", "sh", "-c", script);
  await listens(name, port);
};

/** What a machine gets from another one, as soon as there is something: its service listens anew after each connection. */
const gets = async (name: string, host: string, port: number) =>
  (
    await machines.sh(
      name,
      `until r=$(nc -w 5 ${host} ${port} 2>/dev/null </dev/null) && test -n "$r"; do usleep 50000; done; echo $r`,
    )
  ).trim();

/** The same, once; empty: nothing. */
const asks = async (name: string, host: string, port: number) =>
  (await machines.sh(name, `nc -w 5 ${host} ${port} 2>/dev/null </dev/null || :`)).trim();

const addressOf = async (name: string) =>
  /100\.96\.1\.\d+/.exec(await machines.sh(name, "ip addr show dev eth0"))?.[0] ?? "none";

onBoth("what two machines send each other by name is what arrives: by TCP, by UDP, by ping", async () => {
  for (const name of ["a", "b"]) {
    await machines.create(name, "--network", "team");
    await machines.ok("start", name);
  }
  const answering = "nc -l -p 7 -e sha256sum & nc -u -l -p 9 -e cat";
  await machines.ok("exec", "--name", "b", "-d", "--", "sh", "-c", answering);
  await listens("b", 7, 9);
  const size = Math.round(10_000_000 / slowness);
  const tcp = `head -c ${size} /dev/urandom >/tmp/x; sha256sum </tmp/x; nc b 7 </tmp/x`;
  const [sent, arrived] = (await machines.sh("a", tcp)).trim().split("\n");
  expect(arrived).toBe(sent);
  // A datagram may be lost: it is sent each second, until one is answered.
  const asker = "while echo hello; do sleep 1; done & head -n 1 >&9; kill $!";
  expect(await machines.sh("a", `timeout 50 nc -u b 9 -e sh -c '${asker}' 9>&1`)).toBe("hello\n");
  expect(await machines.sh("b", "ping -c 1 -W 10 a | grep -c 'bytes from'")).toBe("1\n");
  await machines.deleteAll();
});

onQemu(
  "machines of one network reach each other by name, also when one was killed; those of another do not",
  async () => {
    await machines.create("web", "--network", "team");
    await machines.create("db", "--network", "team");
    await machines.create("alien", "--network", "other");
    for (const name of ["web", "db", "alien"]) await machines.ok("start", name);
    await serve("db", 5432, "rows");
    await serve("web", 80, "page");
    expect([await gets("web", "db", 5432), await gets("db", "web", 80)]).toEqual(["rows", "page"]);
    const address = await addressOf("db");
    expect([await asks("alien", "db", 5432), await asks("alien", address, 5432)]).toEqual(["", ""]);
    const events = await machines.ok("egress-events", "web");
    expect(events).toContain(`${address}:5432 (db) by --network team`);

    process.kill(machines.processOf("db"), "SIGKILL");
    await until("its end", () => !isRunning(resolvePaths(machines.env), "db"));
    expect(await machines.sh("web", "nslookup db 2>&1 || :")).toContain("NXDOMAIN");
    await machines.ok("start", "db");
    expect(await addressOf("db")).toBe(address);
    await serve("db", 5432, "rows again");
    expect(await gets("web", "db", 5432)).toBe("rows again");
    await machines.deleteAll();
  },
  120,
);

onQemu(
  "a guest can neither take another's address nor get outside",
  async () => {
    const outside = createServer((socket) => socket.end("outside"));
    await new Promise<void>((resolve) => outside.listen(0, "127.0.0.1", resolve));
    const { port } = outside.address() as { port: number };
    await machines.create("a", "--network", "team");
    await machines.create("b", "--network", "team");
    await machines.create("c", "--network", "team", "--net", "--allow-host-loopback");
    for (const name of ["a", "b", "c"]) await machines.ok("start", name);
    // The network opens nothing but itself, for each member as its own list says.
    const [b, c] = [await addressOf("b"), await addressOf("c")];
    expect(await asks("a", "100.96.0.1", port)).toBe("");
    expect(await gets("c", "100.96.0.1", port)).toBe("outside");
    await serve("c", 80, "page");
    expect(await gets("a", "c", 80)).toBe("page");
    // With another's address, a guest gets no answer, and the other one loses nothing.
    await machines.sh("a", `ip addr add ${b}/32 dev eth0; ip route add ${c}/32 dev eth0 src ${b}`);
    expect(await asks("a", c, 80)).toBe("");
    await machines.sh("a", `ip route del ${c}/32; ip addr del ${b}/32 dev eth0`);
    await machines.sh("a", "ip link set eth0 address 02:53:4d:00:00:01 2>/dev/null || :");
    expect(await asks("a", c, 80)).toBe("");
    expect(await gets("b", "c", 80)).toBe("page");
    outside.close();
    await machines.deleteAll();
  },
  120,
);
