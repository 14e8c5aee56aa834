import { formatAddress, parseAddress } from "./address.ts";
import { isHostName, normalName } from "./names.ts";

/** A flow that was let through, as the log has it. */
export interface UsedFlow {
  /** The name through which its address was known. */
  readonly name: string | undefined;
  readonly address: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

export interface Learned {
  readonly hosts: readonly string[];
  readonly ranges: readonly string[];
}

/** The narrowest lists that let the same flows through: by name where there was one. */
export function learn(flows: Iterable<UsedFlow>): Learned {
  const hosts = new Set<string>();
  const ranges = new Set<string>();
  for (const { name, address, port, protocol } of flows) {
    const normal = normalName(name ?? "");
    const parsed = parseAddress(address);
    if (isHostName(normal)) hosts.add(`${normal}:${port}/${protocol}`);
    else if (parsed !== undefined) {
      const text = formatAddress(parsed);
      ranges.add(`${parsed.width === 128 ? `[${text}]` : text}:${port}/${protocol}`);
    }
  }
  return { hosts: [...hosts].sort(), ranges: [...ranges].sort() };
}
