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
import { MEMBER_RULE } from "../logs/index.ts";
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

/**
 * The narrowest lists that let through what a machine has used, as far back as its log goes.
 *
 * @param since milliseconds since the epoch
 * @throws SmolError `machine.not_found`
 */
export async function learnedPolicy(context: Context, name: string, since?: number): Promise<Learned> {
  const flows: UsedFlow[] = [];
  for await (const { operation, decision, destination, rule, name: known } of egressLog(context, name, {
    since,
  })) {
    // Members of its named network need no rule.
    if (rule.startsWith(MEMBER_RULE)) continue;
    if (decision !== "allow" || (operation !== "connect" && operation !== "udp")) continue;
    const at = destination.lastIndexOf(":");
    const address = destination.slice(0, at).replace(/^\[(.*)\]$/, "$1");
    const port = Number(destination.slice(at + 1));
    if (parseAddress(address) === undefined || !(port > 0 && port < 65_536)) continue;
    flows.push({ name: known, address, port, protocol: operation === "udp" ? "udp" : "tcp" });
  }
  return learn(flows);
}
