import { quote } from "../../values/index.ts";
import { badValue } from "../usage.ts";

/**
 * The address of a proxy: `http://user:password@host:port`, `https://…`, or `host:port`, which means http.
 *
 * @returns a URL
 */
export function parseProxy(text: string): string {
  const full = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined || url.hostname === "") {
    throw badValue(
      `not the address of a proxy: ${quote(text)}`,
      "write for example http://proxy.example:3128",
    );
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw badValue(`a proxy must be an http or https one, not ${quote(url.protocol.slice(0, -1))}`);
  }
  return full;
}
