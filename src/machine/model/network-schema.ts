/** What a machine's description says about its network. */
import {
  array,
  boolean,
  type InferOutput,
  integer,
  maxLength,
  maxValue,
  minValue,
  nullable,
  number,
  object,
  optional,
  picklist,
  pipe,
} from "valibot";
import { text, texts } from "./parts-schema.ts";

const portNumber = (least: number) => pipe(number(), integer(), minValue(least), maxValue(65_535));

export const networkSchema = object({
  /**
   * `none`: nothing outside, only what is published comes in. `all`: everything that is not closed to all machines.
   * `list`: what the lists below have; without any entry, nothing.
   */
  egress: picklist(["none", "all", "list"]),
  /** Rules by name and by address, as `parseHostRule` and `parseRangeRule` write them. */
  allowHosts: texts,
  allowRanges: texts,
  /** Names of lists that the program has. */
  allowPresets: texts,
  /**
   * Those of both that a pack has said, and nobody here: they open none of the host's own addresses. Records of machines
   * before there was this have no such key.
   */
  packedRules: optional(texts, []),
  /** The host's loopback answers at the gateway. */
  hostLoopback: boolean(),
  /** Rules by name look at the name that a program gives to the server. */
  checkServerName: boolean(),
  /** Servers for names, `ADDRESS` or `ADDRESS:PORT`; none: the host's. */
  dns: texts,
  /** Names with addresses of their own, `NAME:ADDRESS`. */
  addHosts: texts,
  /** The named network that it shares with other machines. Records of machines before there were any have no such key. */
  join: optional(nullable(text), null),
  /** The host's proxy variables are the workload's, too. */
  proxyEnv: boolean(),
});

/** A port of the host that leads to one of the machine's. */
export const portSchema = object({
  address: text,
  /** 0: any that is free, at each start. */
  host: portNumber(0),
  guest: portNumber(1),
  protocol: picklist(["tcp", "udp"]),
});

/** More would be a mistake: a range of ports that was written too wide. */
export const MAX_PORTS = 1024;

export const portsSchema = pipe(array(portSchema), maxLength(MAX_PORTS));

export type NetworkSpec = Readonly<InferOutput<typeof networkSchema>>;
export type PortSpec = Readonly<InferOutput<typeof portSchema>>;
