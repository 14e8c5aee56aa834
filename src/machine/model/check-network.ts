import { SmolError } from "../../errors.ts";
// Not the folder's face, which loads more.
import { parseAddress } from "../../net/policy/address.ts";
import { isHostName } from "../../net/policy/names.ts";
import { PRESET_NAMES } from "../../net/policy/presets.ts";
import { BadRule, parseHostRule, parseRangeRule } from "../../net/policy/rules.ts";
import { quote } from "../../values/index.ts";
import { isMachineName } from "./name.ts";
import { clashing, formatPort } from "./network.ts";
import type { MachineSpec } from "./spec.ts";

/**
 * What the schema cannot say about a network.
 *
 * @throws SmolError `machine.bad_network`, `port.duplicate`
 */
export function checkNetwork({ network, ports }: Pick<MachineSpec, "network" | "ports">): void {
  for (const rule of network?.allowHosts ?? []) reading("the host", rule, parseHostRule);
  for (const rule of network?.allowRanges ?? []) reading("the CIDR", rule, parseRangeRule);
  const unknown = network?.allowPresets.find((name) => !PRESET_NAMES.includes(name));
  if (unknown !== undefined)
    throw bad(`there is no preset ${quote(unknown)}`, `the presets are ${PRESET_NAMES.join(", ")}`);
  for (const server of network?.dns ?? [])
    if (readServer(server) === undefined) throw bad(`the DNS server ${quote(server)} is invalid: no address`);
  for (const entry of network?.addHosts ?? [])
    if (readHostEntry(entry) === undefined)
      throw bad(`the host entry ${quote(entry)} is invalid`, "write NAME:ADDRESS");
  const join = network?.join ?? null;
  if (join !== null && !isMachineName(join))
    throw bad(`the network's name ${quote(join)} is invalid`, "it is made like a machine's name");
  for (const port of ports)
    if (parseAddress(port.address) === undefined)
      throw bad(`the address of the port ${quote(formatPort(port))} is invalid`);
  const twice = clashing(ports);
  if (twice !== undefined)
    throw new SmolError("port.duplicate", `the host port ${twice.host} is published twice`, {
      hint: "each port of the host leads to one port of the machine",
    });
}

function reading(what: string, text: string, read: (text: string) => unknown): void {
  try {
    read(text);
  } catch (error) {
    if (error instanceof BadRule) throw bad(`${what} ${quote(text)} is invalid: ${error.message}`);
    throw error;
  }
}

const bad = (message: string, hint?: string) => new SmolError("machine.bad_network", message, { hint });

/** `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`. */
export function readServer(text: string): { address: string; port: number } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const address = match === null ? text : (match[1] ?? match[2] ?? "");
  const port = Number(match?.[3] ?? 53);
  if (parseAddress(address) === undefined || port < 1 || port > 65_535) return undefined;
  return { address, port };
}

/** docker's word for the host. */
const HOST_GATEWAY = "host-gateway";

/** `NAME:ADDRESS`; the address may be `host-gateway`. */
export function readHostEntry(text: string): { name: string; address: string } | undefined {
  const at = text.indexOf(":");
  if (at < 0) return undefined;
  const name = text.slice(0, at).toLowerCase();
  const address = text.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
  if (!isHostName(name) || (address !== HOST_GATEWAY && parseAddress(address) === undefined))
    return undefined;
  return { name, address };
}
