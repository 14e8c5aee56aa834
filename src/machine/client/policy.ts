import type { Context } from "../../context.ts";
import {
  type Explanation,
  explain,
  type Learned,
  learn,
  parseAddress,
  readPolicy,
  type UsedFlow,
} from "../../net/policy/index.ts";
import { type EgressEntry, MEMBER_RULE } from "../logs/index.ts";
import { planNetwork } from "../plan/index.ts";
import { requireRecord } from "../store/index.ts";
import { egressLog } from "./logs.ts";

/**
 * What a machine's policy would decide about a destination.
 *
 * @returns null: it has no network card
 * @throws SmolError `machine.not_found`
 */
export async function explainPolicy(
  context: Context,
  name: string,
  host: string,
  port: number | undefined,
): Promise<Explanation | null> {
  const plan = planNetwork(requireRecord(context.paths, name));
  return plan && explain(readPolicy(plan.policy), host, port);
}

/** What the log has of one protocol to one destination. */
interface Endpoint {
  /** Flows that were let through, less those that found nobody. */
  answered: number;
  readonly flows: Omit<UsedFlow, "answered">[];
}

/**
 * The narrowest lists that let through what a machine has used, as far back as its log goes.
 *
 * @param since milliseconds since the epoch
 * @throws SmolError `machine.not_found`
 */
export async function learnedPolicy(context: Context, name: string, since?: number): Promise<Learned> {
  const endpoints = new Map<string, Endpoint>();
  for await (const entry of egressLog(context, name, { since })) {
    const { operation, decision, destination, rule, protocol } = entry;
    // Members of its named network need no rule.
    if (decision !== "allow" || rule.startsWith(MEMBER_RULE)) continue;
    if (operation === "close") {
      const endpoint = endpoints.get(`${protocol} ${destination}`);
      if (entry.end === "unreachable" && endpoint !== undefined) endpoint.answered--;
      continue;
    }
    const flow = flowOf(entry);
    if (flow === undefined) continue;
    const key = `${flow.protocol} ${destination}`;
    const endpoint = endpoints.get(key) ?? { answered: 0, flows: [] };
    endpoints.set(key, endpoint);
    endpoint.answered++;
    if (endpoint.flows.every(({ name }) => name !== flow.name)) endpoint.flows.push(flow);
  }
  return learn(
    [...endpoints.values()].flatMap(({ answered, flows }) =>
      flows.map((flow) => ({ ...flow, answered: answered > 0 })),
    ),
  );
}

/** The beginning of a flow; undefined: something else. */
function flowOf({ operation, destination, name }: EgressEntry): Endpoint["flows"][number] | undefined {
  if (operation !== "connect" && operation !== "udp") return undefined;
  const at = destination.lastIndexOf(":");
  const address = destination.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const port = Number(destination.slice(at + 1));
  if (parseAddress(address) === undefined || !(port > 0 && port < 65_536)) return undefined;
  return { name, address, port, protocol: operation === "udp" ? "udp" : "tcp" };
}
