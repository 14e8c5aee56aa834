import { errnoOf } from "../../errors.ts";
import { DnsStream } from "../host/dns-stream.ts";
import { InspectedStream } from "../host/inspected.ts";
import type { HostStream } from "../host/stream.ts";
import { connectTcp } from "../host/tcp.ts";
import { sendUnreachable, Unreachable } from "../icmp/errors.ts";
import type { Judge, Judged } from "../judge.ts";
import type { Output } from "../link/output.ts";
import type { AllowedFlow, Flow, Resolver } from "../types.ts";
import { formatAddress } from "../wire/address.ts";
import type { Connection } from "./connection.ts";
import type { Incoming } from "./table.ts";
import type { TcpEnd } from "./types.ts";

export interface OutboundParts {
  readonly output: Output;
  readonly judge: Judge;
  readonly resolver: Resolver;
  /** Gets what is still connecting when its connection is over. */
  countAbandoned(connecting: Promise<unknown>): void;
}

/**
 * Takes a new connection of the guest's to where the policy lets it go. The guest's handshake is answered when the host's
 * side is connected: what is refused there is refused here.
 *
 * @returns who is to be told how the connection ended
 */
export function openOutbound(
  parts: OutboundParts,
  connection: Connection,
  incoming: Incoming,
): (end: TcpEnd) => void {
  const flow: Flow = {
    protocol: "tcp",
    source: { address: formatAddress(incoming.source), port: incoming.sourcePort },
    destination: { address: formatAddress(incoming.destination), port: incoming.destinationPort },
  };
  let judged: Judged | undefined;
  let over: TcpEnd | undefined;
  let connecting: Promise<void> | undefined;
  const tell = () => {
    if (judged === undefined || over === undefined) return;
    judged.tell({ ...over, how: judged.decision.allow ? over.how : "denied" });
  };
  const act = (result: Judged) => {
    judged = result;
    tell();
    if (over !== undefined) return;
    connecting = carryOut(parts, connection, incoming, flow, result).catch((error) => {
      parts.judge.onTrouble(error);
      connection.abort("EIO");
    });
    void connecting.then(() => {
      connecting = undefined;
    });
  };
  const result = parts.judge.decide(flow);
  if (result instanceof Promise) void result.then(act);
  // Whoever made the connection has to know first whom to tell.
  else queueMicrotask(() => act(result));
  return (end) => {
    over = end;
    tell();
    if (connecting !== undefined) parts.countAbandoned(connecting);
  };
}

async function carryOut(
  parts: OutboundParts,
  connection: Connection,
  incoming: Incoming,
  flow: Flow,
  judged: Judged,
): Promise<void> {
  const { decision } = judged;
  if (!decision.allow) {
    connection.refuse(decision.how === "drop");
    return;
  }
  try {
    const stream = await connect(parts, connection, decision);
    if (decision.inspect !== true) {
      connection.accept(stream);
      return;
    }
    const inspected = new InspectedStream(
      stream,
      (bytes, ended) => parts.judge.inspect(flow, bytes, ended),
      (denied) => {
        judged.decision = denied;
        connection.abort(undefined);
      },
    );
    connection.accept(inspected);
  } catch (error) {
    const code = errnoOf(error) ?? "EIO";
    if (NO_WAY.has(code)) sendUnreachable(parts.output, incoming.quote, Unreachable.host);
    connection.refuse(NO_WAY.has(code), code);
  }
}

async function connect(
  { resolver }: OutboundParts,
  connection: Connection,
  { target }: AllowedFlow,
): Promise<HostStream> {
  return target === "resolver" ? new DnsStream(resolver, connection) : await connectTcp(target, connection);
}

/** What a router would have said; other errors are those of the far end, or as good as that. */
const NO_WAY = new Set(["EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "EADDRNOTAVAIL"]);
