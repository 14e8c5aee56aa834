// Not the folder's face, which loads the stack.
import { network } from "../../net/types.ts";
import type { StartOrder } from "../plan/index.ts";

/** What a machine's /etc/resolv.conf names: the gateway, which answers for all. Undefined: there is no network. */
export function nameserverOf({ network: plan }: Pick<StartOrder, "network">): string | undefined {
  return plan === null ? undefined : network.gateway;
}
