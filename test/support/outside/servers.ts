/**
 * The outside of a test of networks: runs in a network namespace of its own, where addresses of the internet lead to
 * itself, and serves on them. Says `ready`, and then each question about a name that it is asked.
 */
import { writeFileSync } from "node:fs";
import { serveZone, type Zone } from "../../../src/net/dns/dns.fixture.ts";
import { ADDRESSES, CLOSED, EVIL, INNER, OUTER, OUTER6 } from "./addresses.ts";

const ip = (...words: string[]) => Bun.spawnSync(["ip", ...words], { stderr: "inherit" });

ip("link", "set", "lo", "up");
// They are served here and on no link: the addresses of a host's links are the host's own, and closed to machines.
for (const address of ADDRESSES) ip("route", "add", "local", `${address}/32`, "dev", "lo");
// IPv6 lets a program listen on such an address only by this switch, which is the namespace's own.
writeFileSync("/proc/sys/net/ipv6/ip_nonlocal_bind", "1");
ip("-6", "route", "add", "local", `${OUTER6}/128`, "dev", "lo");
// A route, so that the host has IPv6.
ip("tuntap", "add", "dev", "out", "mode", "tun");
ip("link", "set", "out", "up");
ip("-6", "route", "add", "default", "dev", "out");

const zone: Zone = {
  "allowed.test": [`A 60 ${OUTER}`],
  "www.allowed.test": ["CNAME 60 edge.other.test"],
  "edge.other.test": ["A 60 203.0.113.11", `+evil.test A 60 ${EVIL}`],
  "six.allowed.test": ["AAAA 60 2001:0db8:0000:0000:0000:0000:0000:0010"],
  "rebind.allowed.test": ["A 60 127.0.0.1", `A 60 ${INNER}`, `A 60 ${CLOSED}`],
  "mapped.allowed.test": ["AAAA 60 0000:0000:0000:0000:0000:ffff:0a09:0909"],
  "evil.test": [`A 60 ${EVIL}`],
};
await serveZone(zone, {
  at: { address: "127.0.0.1", port: 5353 },
  onAsked: (question) => console.log(`asked ${question}`),
});
// A server of somebody else's, which knows all names.
await serveZone(zone, {
  at: { address: EVIL, port: 53 },
  onAsked: (question) => console.log(`leaked ${question}`),
});

/** Says who it is to whoever says anything, and ends the connection. */
function serve(hostname: string, port: number): void {
  const body = `served by ${hostname}\n`;
  Bun.listen({
    hostname,
    port,
    socket: {
      data(socket) {
        socket.end(`HTTP/1.0 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      },
    },
  });
}

for (const address of ["127.0.0.1", "::1", OUTER6, ...ADDRESSES])
  for (const port of [80, 443, 853, 8080]) serve(address, port);

/** Answers each datagram with the same words. */
async function echo(hostname: string, port: number): Promise<void> {
  await Bun.udpSocket({
    hostname,
    port,
    socket: {
      data(socket, data, from, address) {
        socket.send(`echo ${data.toString().trim()}\n`, from, address);
      },
    },
  });
}

for (const address of ["127.0.0.1", ...ADDRESSES]) for (const port of [443, 5000]) await echo(address, port);

console.log("ready");
