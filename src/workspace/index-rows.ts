/** Tables of a workspace's index, and what a row of them is in this program. */
import type { SQLQueryBindings } from "bun:sqlite";
import { decodeStamp, type Stamp } from "./stamp.ts";
import type { Kind } from "./stat.ts";

/** Of the tables below; a program reads its own and earlier ones. */
export const VERSION = 1n;

export interface Node {
  readonly id: number;
  readonly kind: Kind;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** A file's own are in `data/<id>`. */
  readonly accessed: bigint;
  readonly modified: bigint;
  readonly changed: bigint;
  readonly inode: bigint;
  /** Names that it has; 0 when it is only still open. */
  readonly links: number;
  /** Whether names of the host's directory of the same path are in it too. */
  readonly merged: boolean;
  /** Where a link leads. */
  readonly target: Uint8Array | undefined;
  /** Path of the host's file that it is a copy of. */
  readonly origin: string | undefined;
  /** What `data/<id>` was when it was applied to the host; absent once it may differ. */
  readonly applied: string | undefined;
}

export interface Entry {
  readonly name: string;
  /** Absent: there is nothing in the guest. */
  readonly node: number | undefined;
  /** Absent: there was nothing on the host. */
  readonly base: Stamp | undefined;
  readonly ghost: number | undefined;
}

export const SCHEMA = `
create table node (
  id integer primary key autoincrement, kind text not null, mode integer not null, uid integer not null,
  gid integer not null, accessed integer not null, modified integer not null, changed integer not null,
  inode integer not null, links integer not null, merged integer not null, target blob, origin blob, applied text);
create table entry (
  parent integer not null, name blob not null, node integer, base text, ghost integer,
  primary key (parent, name)) without rowid;
create index entry_node on entry (node) where node is not null;
create table xattr (node integer not null, name blob not null, value blob not null, primary key (node, name)) without rowid;
create table setting (name text primary key, value text not null) without rowid;
pragma user_version = ${VERSION};
`;

export type Row = Readonly<
  Record<"id" | Column | "name" | "value" | "node" | "base" | "ghost" | "n" | "user_version", unknown>
>;

export const nameBytes = (name: string): Uint8Array => Buffer.from(name, "latin1");
/** As it was before it got a sign. */
export const inodeOf = (value: unknown): bigint => BigInt.asUintN(64, value as bigint);
export const nameOf = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString("latin1");

export const COLUMNS = [
  "kind",
  "mode",
  "uid",
  "gid",
  "accessed",
  "modified",
  "changed",
  "inode",
  "links",
  "merged",
  "target",
  "origin",
  "applied",
] as const;
export type Column = (typeof COLUMNS)[number];

export function toColumn(column: Column, value: unknown): SQLQueryBindings {
  if (value === undefined) return null;
  if (column === "origin") return nameBytes(value as string);
  // Some filesystems number files with all 64 bits; SQLite's integers have a sign.
  if (column === "inode") return BigInt.asIntN(64, value as bigint);
  return value as SQLQueryBindings;
}

export function nodeOf(row: Row): Node {
  return {
    id: Number(row.id),
    kind: row.kind as Kind,
    mode: Number(row.mode),
    uid: Number(row.uid),
    gid: Number(row.gid),
    accessed: row.accessed as bigint,
    modified: row.modified as bigint,
    changed: row.changed as bigint,
    inode: inodeOf(row.inode),
    links: Number(row.links),
    merged: row.merged === 1n,
    target: (row.target as Uint8Array | null) ?? undefined,
    origin: row.origin === null ? undefined : nameOf(row.origin),
    applied: (row.applied as string | null) ?? undefined,
  };
}

export function entryOf(row: Row): Entry {
  return {
    name: nameOf(row.name),
    node: row.node === null ? undefined : Number(row.node),
    base: row.base === null ? undefined : decodeStamp(row.base as string),
    ghost: row.ghost === null ? undefined : Number(row.ghost),
  };
}
