import type { ServerName } from "./tls.ts";

/** A request's head is looked at as far as this; browsers send some kilobytes. */
const MAX_HEAD = 8 * 1024;

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) (\\S+) HTTP/1\\.[01]$`);
const BEGINNING = new RegExp(`^(?:${TOKEN})?(?: \\S*(?: [HTP/1.0]*)?)?$`);
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*(.*?)[ \\t]*$`);

/**
 * Reads which server the first request of an HTTP/1 connection asks for (RFC 9112): the field `Host`, which has to be
 * there exactly once, and the host of a whole address as its target, which has to agree. Without the port.
 *
 * @param bytes everything that the client has sent so far
 */
export function hostOf(bytes: Uint8Array): ServerName {
  const text = Buffer.from(bytes.subarray(0, MAX_HEAD)).toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return bytes.length >= MAX_HEAD || !couldBeRequest(text) ? undefined : "more";
  const [requestLine = "", ...fields] = text.slice(0, end).split("\r\n");
  const request = REQUEST_LINE.exec(requestLine);
  if (request === null) return undefined;
  const hosts: string[] = [];
  for (const line of fields) {
    const field = FIELD.exec(line);
    // Folded lines and the like are read differently by different servers.
    if (field === null || /[\r\n\0]/.test(line)) return undefined;
    if ((field[1] as string).toLowerCase() === "host") hosts.push(field[2] as string);
  }
  const [host, ...more] = hosts.map(withoutPort);
  if (host === undefined || more.length > 0) return undefined;
  return agrees(request[1] as string, request[2] as string, host) ? host : undefined;
}

/** What cannot become a request is not waited for. */
function couldBeRequest(text: string): boolean {
  const end = text.indexOf("\r\n");
  const line = end === -1 ? text.replace(/\r$/, "") : text.slice(0, end);
  return end === -1 ? BEGINNING.test(line) : REQUEST_LINE.test(line);
}

function withoutPort(host: string): string {
  return /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(host)?.[1] ?? "";
}

/** CONNECT asks a proxy for another server. */
function agrees(method: string, target: string, host: string): boolean {
  if (method.toUpperCase() === "CONNECT") return false;
  if (target.startsWith("/") || target === "*") return true;
  const absolute = /^https?:\/\/([^/?#@]+)(?:[/?#].*)?$/i.exec(target);
  return absolute !== null && withoutPort(absolute[1] as string).toLowerCase() === host.toLowerCase();
}
