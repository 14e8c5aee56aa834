import { formatAddress, parseAddress } from "./address.ts";
import { isHostName, normalName } from "./names.ts";

/** A flow that was let through, as the log has it. */
export interface UsedFlow {
  /** Whether anybody was there. */
  readonly answered: boolean;
  /** The name through which its address was known. */
  readonly name: string | undefined;
  readonly address: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

export interface Learned {
  readonly hosts: readonly string[];
  readonly ranges: readonly string[];
  /** What was tried, and nobody was there: rules of both kinds, which nothing has been seen to need. */
  readonly unanswered: readonly string[];
}

/** The narrowest lists that let the same flows through: by name where there was one. */
export function learn(flows: Iterable<UsedFlow>): Learned {
  const hosts = new Set<string>();
  const ranges = new Set<string>();
  const unanswered = new Set<string>();
  for (const { name, address, port, protocol, answered } of flows) {
    const normal = normalName(name ?? "");
    const parsed = parseAddress(address);
    if (isHostName(normal)) (answered ? hosts : unanswered).add(`${normal}:${port}/${protocol}`);
    else if (parsed !== undefined) {
      const text = formatAddress(parsed);
      (answered ? ranges : unanswered).add(
        `${parsed.width === 128 ? `[${text}]` : text}:${port}/${protocol}`,
      );
    }
  }
  // What answered once was needed; one address of a name may be gone while another answers.
  for (const rule of [...hosts, ...ranges]) unanswered.delete(rule);
  return { hosts: [...hosts].sort(), ranges: [...ranges].sort(), unanswered: [...unanswered].sort() };
}
