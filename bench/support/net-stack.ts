import { NameService } from "../../src/net/dns/index.ts";
import { network, startNetwork } from "../../src/net/index.ts";
import { Gatekeeper, readPolicy } from "../../src/net/policy/index.ts";

/**
 * The stack alone, as a machine's process has it: everything is allowed, the gateway is the host's loopback.
 *
 *     bun bench/support/net-stack.ts SOCKET HOST-PORT GUEST-PORT
 */
const [socketPath = "", hostPort, guestPort] = process.argv.slice(2);
const everything = readPolicy({
  egress: "all",
  hosts: [],
  ranges: [],
  presets: [],
  localhost: true,
  checkServerName: true,
});
const stack = startNetwork({
  socketPath,
  ipv6: false,
  policy: {
    decide: ({ destination: { address, port } }) => ({
      allow: true,
      target:
        port === 53 ? "resolver" : { address: address === network.gateway ? "127.0.0.1" : address, port },
      rule: "bench",
    }),
    inspect: () => "pass",
    closed() {},
  },
  resolver: new NameService({ gatekeeper: new Gatekeeper(everything), ipv6: false }),
});
const ports = { hostPort: Number(hostPort), guestPort: Number(guestPort) };
await stack.publish({ protocol: "tcp", hostAddress: "127.0.0.1", ...ports });
console.log("ready");
