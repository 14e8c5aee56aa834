import { expect, test } from "bun:test";
import { join } from "node:path";

const POLICY = JSON.stringify(join(import.meta.dir, "../../src/net/policy/index.ts"));

/** Asks a machine's policy in a network namespace whose loopback device has more addresses. */
const ASK = `
import { Gatekeeper, readPolicy } from ${POLICY};
const gatekeeper = new Gatekeeper(readPolicy({
  egress: "all", hosts: [], ranges: [], presets: [], localhost: false, checkServerName: true }));
for (const address of process.argv.slice(1))
  console.log(address, gatekeeper.decide({ protocol: "tcp", address, port: 22 }).rule);`;

test("what was put on the host's loopback device is closed to machines, and what is beside it is not", async () => {
  const isolate = process.getuid?.() === 0 ? ["unshare", "-n"] : ["unshare", "-rn"];
  const setUp = [
    ...["ip link set lo up", "ip addr add 10.77.0.1/24 dev lo", "ip addr add 10.78.0.1/32 dev lo"],
    ...["ip addr add fd77::1/64 dev lo nodad", 'exec "$0" -e "$@"'],
  ].join(" && ");
  // The kernel takes 10.77.0.200 for the host itself, and fd77::2 for nobody.
  const addresses = ["10.77.0.1", "10.77.0.200", "10.78.0.1", "fd77::1", "10.77.1.1", "10.78.0.2", "fd77::2"];
  const child = Bun.spawn([...isolate, "sh", "-c", setUp, process.execPath, ASK, ...addresses]);
  expect((await new Response(child.stdout).text()).trim().split("\n")).toEqual([
    ...addresses.slice(0, 4).map((address) => `${address} closed: this host's own address`),
    ...addresses.slice(4).map((address) => `${address} --net`),
  ]);
});
