/** What the host knows about names: resolv.conf(5), and hosts(5). */
import { readFileSync, statSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { isHostName, normalName, parseAddress } from "../policy/index.ts";
import type { Server } from "./server.ts";

/** Larger ones are lists of what is blocked; the largest of those have some megabytes. */
const MAX_BYTES = 16 * 1024 * 1024;
/** A file is looked at again after this time. */
const FRESH_MS = 2000;

const DNS_PORT = 53;

export type Hosts = ReadonlyMap<string, readonly string[]>;

/** @returns the servers in their order; without any, the one that the C library asks then */
export function serversIn(text: string): Server[] {
  const servers = text.split("\n").flatMap((line): Server[] => {
    const [, address] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
    if (address === undefined) return [];
    // An address of a link has the link's name behind it.
    const [bare = ""] = address.split("%", 1);
    return parseAddress(bare) === undefined ? [] : [{ address, port: DNS_PORT }];
  });
  return servers.length > 0 ? servers : [{ address: "127.0.0.1", port: DNS_PORT }];
}

/** @returns addresses by name, in the order of the file */
export function hostsIn(text: string): Hosts {
  const hosts = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (parseAddress(address) === undefined) continue;
    for (const name of names.map(normalName)) {
      if (!isHostName(name)) continue;
      const addresses = hosts.get(name);
      if (addresses === undefined) hosts.set(name, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }
  return hosts;
}

/** A file's content as somebody reads it, read again when it has changed. */
export class WatchedFile<T> {
  readonly #path: string;
  readonly #read: (text: string) => T;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #stamp = "";
  #content: T;

  constructor(path: string, read: (text: string) => T) {
    this.#path = path;
    this.#read = read;
    this.#content = read("");
  }

  /** A file that is not there, or cannot be read, is an empty one. */
  content(now: number): T {
    if (now - this.#lookedAt < FRESH_MS) return this.#content;
    this.#lookedAt = now;
    try {
      const { mtimeMs, ctimeMs, size, ino } = statSync(this.#path);
      const stamp = [mtimeMs, ctimeMs, size, ino].join();
      if (stamp === this.#stamp) return this.#content;
      this.#content = this.#read(size > MAX_BYTES ? "" : readFileSync(this.#path, "utf8"));
      this.#stamp = stamp;
    } catch (error) {
      // One in its place that this process may not read says nothing new.
      if (errnoOf(error) === "EACCES" && this.#stamp !== "") return this.#content;
      this.#content = this.#read("");
      this.#stamp = "";
    }
    return this.#content;
  }
}
