import { flag, list, value } from "../program/types.ts";
import { oneOf, parseText } from "../values/text.ts";

/** Of src/net/policy/presets.ts, which is not loaded for every command. */
const PRESETS = ["npm", "pypi", "crates", "go", "github", "debian", "ubuntu", "alpine", "docker"] as const;

/** What a user of upstream's other backend should know, if that is named. */
export const backendNote = (backend: "virtio-net" | "tsi" | undefined): string | undefined =>
  backend === "tsi" ? "--net-backend tsi is taken for virtio-net, which is the only one" : undefined;

/** Whether a machine has a network, how much of it, and what leads in. What values mean is in network-layer.ts. */
export const networkOptions = {
  net: flag({ long: "net", description: "Give the machine the network; without it there is none" }),
  noNet: flag({ long: "no-net", description: "Give it none, whatever the Smolfile says" }),
  allowHosts: list({
    long: "allow-host",
    placeholder: "HOST",
    description: "Only this name and all below it; also *.NAME, NAME:PORT/tcp",
    parse: parseText,
  }),
  allowRanges: list({
    long: "allow-cidr",
    placeholder: "CIDR",
    description: "Only these addresses; also CIDR:PORT/tcp",
    parse: parseText,
  }),
  allowPresets: list({
    long: "allow-preset",
    placeholder: "PRESET",
    description: "Only the hosts that npm, pypi, debian, github, ... need",
    hint: { kind: "choice", values: PRESETS },
    parse: oneOf(PRESETS),
  }),
  localhostOnly: flag({
    long: "outbound-localhost-only",
    description: "Only this host's loopback, at host.smolvm.internal",
  }),
  hostLoopback: flag({
    long: "allow-host-loopback",
    description: "This host's loopback too, at host.smolvm.internal",
  }),
  noSniCheck: flag({
    long: "no-sni-check",
    description: "Do not look at the server's name in TLS and HTTP",
  }),
  egress: value({
    long: "egress",
    placeholder: "MODE",
    description: "learn: as --net, for machine policy learned",
    hint: { kind: "choice", values: ["learn"] },
    parse: oneOf(["learn"]),
  }),
  dns: list({
    long: "dns",
    placeholder: "ADDRESS",
    description: "Ask this server for names (default: the host's)",
    parse: parseText,
  }),
  addHosts: list({
    long: "add-host",
    placeholder: "NAME:ADDRESS",
    description: "Know a name by this address; host-gateway is this host",
    parse: parseText,
  }),
  ports: list({
    long: "port",
    short: "p",
    aliases: ["publish"],
    placeholder: "[ADDR:]HOST:GUEST",
    description: "Lead a port of this host (127.0.0.1, or ADDR) to one of it",
    parse: parseText,
  }),
  namedNetwork: value({
    long: "network",
    placeholder: "NAME",
    description: "Share a network with other machines, which know it by name",
    parse: parseText,
  }),
  proxyEnv: flag({
    long: "proxy-env",
    description: "Pass the host's proxy variables and CA files on",
  }),
  netBackend: value({
    long: "net-backend",
    placeholder: "BACKEND",
    description: "virtio-net, which is the only one",
    hint: { kind: "choice", values: ["virtio-net"] },
    parse: oneOf(["virtio-net", "tsi"]),
  }),
};
