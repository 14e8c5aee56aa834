// Not the folder's face, which loads more.
import { parseAddress } from "../../net/policy/address.ts";
import { isHostName, normalName } from "../../net/policy/names.ts";
import { usageError } from "../usage.ts";
import { quote } from "../values/size.ts";

export interface DestinationWord {
  readonly host: string;
  readonly port: number | undefined;
}

/** `HOST`, `HOST:PORT`, `ADDRESS`, `[ADDRESS]:PORT`. @throws SmolError `cli.bad_value` */
export function parseDestination(text: string): DestinationWord {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  const host = parseAddress(text) === undefined ? (match?.[1] ?? match?.[2] ?? "") : text;
  const given = parseAddress(text) === undefined ? match?.[3] : undefined;
  const port = given === undefined ? undefined : Number(given);
  const isPort = port === undefined || (port >= 1 && port <= 65_535);
  if (isPort && (parseAddress(host) !== undefined || isHostName(normalName(host)))) return { host, port };
  throw usageError(
    "cli.bad_value",
    `${quote(text)} is no destination`,
    "write HOST, HOST:PORT or an address",
  );
}
