/**
 * The index of a workspace: what the guest's tree has that the host's has not, in a SQLite database of our own. Names
 * are values in it and never paths of the upper, so none collides with another, and the guest can forge none.
 *
 *     node    a file, directory or link that the guest made or changed; a file's bytes are in `data/<id>`
 *     entry   a name in a directory that the guest changed: its node; none where the guest removed it. `base` is the
 *             stamp of what the host had there then; `ghost` a directory of entries that went with it
 *     xattr   extended attributes of a node
 *
 * A step is a transaction: after kill -9 it has happened or it has not. SQLite's log is not flushed with each one;
 * `flush` does that when the guest asks for it. Several processes may have it open: one serves the guest, others read,
 * apply and discard.
 */
import { Database, type SQLQueryBindings, type Statement } from "bun:sqlite";
import { closeSync, fsyncSync, openSync } from "node:fs";
import { errnoOf, SmolError } from "../errors.ts";
import { Errno, FileError, refuse } from "../files/errno.ts";
import {
  COLUMNS,
  type Column,
  type Entry,
  entryOf,
  inodeOf,
  type Node,
  nameBytes,
  nameOf,
  nodeOf,
  type Row,
  SCHEMA,
  toColumn,
  VERSION,
} from "./index-rows.ts";
import { encodeStamp } from "./stamp.ts";
import type { Kind } from "./stat.ts";

export type { Entry, Node } from "./index-rows.ts";

/** Far more than a part of a long change takes: who waits so long has met something that is broken. */
const BUSY_MS = 10_000;

/** Steps of a long change that happen together: about 20 ms, for which a guest's server may have to wait. */
const STEPS_AT_ONCE = 200;

/** Whoever waits for SQLite looks every 1 to 100 ms whether it is his turn: so long there must be nobody's. */
const GAP_MS = 10;

/** Entries that a guest may make, so that it cannot fill the host's disk with names: 1.5 GB of them at most. */
const MAX_NODES = 4_000_000;

/** The folder itself. */
export const ROOT = 1;

export class IndexFile implements Disposable {
  readonly #database: Database;
  readonly #path: string;
  readonly #statements = new Map<string, Statement>();
  #nodes: number;
  /** Of the transaction that runs. */
  #pending: { readonly afterwards: (() => void)[]; readonly undone: (() => void)[] } | undefined;

  /** @throws SmolError `workspace.newer`, `workspace.damaged` */
  constructor(path: string, how: "create" | "change" | "read") {
    this.#path = path;
    try {
      this.#database = new Database(path, {
        create: how === "create",
        readwrite: how !== "read",
        readonly: how === "read",
        strict: true,
        safeIntegers: true,
      });
      this.#database.exec(`pragma busy_timeout = ${BUSY_MS}`);
      if (how === "create") {
        this.#database.exec("pragma journal_mode = wal");
        this.#database.transaction(() => this.#database.exec(SCHEMA))();
      }
      if (how !== "read") this.#database.exec("pragma synchronous = normal");
      const version = this.#one("pragma user_version")?.user_version;
      if (version !== VERSION) throw newer(path);
      this.#nodes = this.#count();
    } catch (error) {
      if (error instanceof SmolError) throw error;
      throw new SmolError("workspace.damaged", `the index of a workspace, ${path}, cannot be read`, {
        cause: error,
      });
    }
  }

  #count(): number {
    return Number(this.#one("select count(*) as n from node")?.n);
  }

  #run(sql: string, ...values: SQLQueryBindings[]) {
    return this.#statement(sql).run(...values);
  }

  #one(sql: string, ...values: SQLQueryBindings[]): Row | undefined {
    return (this.#statement(sql).get(...values) as Row | null) ?? undefined;
  }

  #all(sql: string, ...values: SQLQueryBindings[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  #statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /**
   * All or nothing, also when the process is killed. What is only true of memory or of other files goes into
   * `afterwards` and `undone`. A change within a change is a part of it.
   *
   * @throws FileError ENOSPC, EIO; what `work` throws
   */
  change<T>(work: () => T): T {
    if (this.#pending !== undefined) return work();
    const nodes = this.#nodes;
    const pending = { afterwards: [], undone: [] };
    let begun = false;
    try {
      this.#run("begin immediate");
      begun = true;
      this.#pending = pending;
      const result = work();
      this.#run("commit");
      this.#pending = undefined;
      for (const action of pending.afterwards) (action as () => void)();
      return result;
    } catch (error) {
      if (this.#pending !== undefined) {
        this.#pending = undefined;
        this.#nodes = nodes;
        if (begun) this.#run("rollback");
        for (const action of pending.undone.reverse()) (action as () => void)();
      }
      throw asFileError(error);
    }
  }

  /**
   * A change of many steps. While a guest is served they do not happen together: its server gets its turn in between.
   * `work` yields wherever what it has done so far may stand, and what comes may have been changed by others.
   *
   * @throws as `change`
   */
  changeBySteps(work: Iterable<void>, { isServed }: { readonly isServed: boolean }): void {
    const most = isServed ? STEPS_AT_ONCE : Number.POSITIVE_INFINITY;
    const steps = work[Symbol.iterator]();
    for (;;) {
      const hasEnded = this.change(() => {
        for (let step = 0; step < most; step++) if (steps.next().done) return true;
        return false;
      });
      if (hasEnded) return;
      Bun.sleepSync(GAP_MS);
    }
  }

  /** What a reader sees of one moment, whatever others change meanwhile. */
  snapshot<T>(work: () => T): T {
    if (this.#pending !== undefined) return work();
    this.#run("begin");
    try {
      return work();
    } finally {
      this.#run("commit");
    }
  }

  /** Done once the change that runs has been committed. */
  afterwards(action: () => void): void {
    if (this.#pending === undefined) action();
    else this.#pending.afterwards.push(action);
  }

  /** Done when the change that runs comes to nothing. */
  undone(action: () => void): void {
    this.#pending?.undone.push(action);
  }

  /** What has been committed survives a power cut of the host. */
  flush(): void {
    try {
      const fd = openSync(`${this.#path}-wal`, "r");
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      // No log: all is in the database, and flushed.
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }

  putSetting(name: string, value: string): void {
    this.#run("insert or replace into setting values (?, ?)", name, value);
  }

  /** Those whose names begin so, with their values. */
  settings(prefix: string): { readonly name: string; readonly value: string }[] {
    return this.#all(
      "select name, value from setting where substr(name, 1, ?) = ?",
      prefix.length,
      prefix,
    ).map((row) => ({ name: row.name as string, value: row.value as string }));
  }

  removeSettings(prefix: string): void {
    this.#run("delete from setting where substr(name, 1, ?) = ?", prefix.length, prefix);
  }

  node(id: number): Node | undefined {
    const row = this.#one("select * from node where id = ?", id);
    return row === undefined ? undefined : nodeOf(row);
  }

  /** @throws FileError ENOSPC when there are too many */
  addNode(node: Omit<Node, "id" | "inode"> & { readonly inode?: bigint | undefined }): number {
    // Others may have discarded some since they were counted.
    if (this.#nodes >= MAX_NODES) this.#nodes = this.#count();
    if (this.#nodes >= MAX_NODES) refuse(Errno.ENOSPC);
    const values = COLUMNS.map((column) =>
      toColumn(column, column === "inode" ? (node.inode ?? 0n) : node[column]),
    );
    const marks = COLUMNS.map(() => "?").join(", ");
    const { lastInsertRowid } = this.#run(
      `insert into node (${COLUMNS.join(", ")}) values (${marks})`,
      ...values,
    );
    const id = Number(lastInsertRowid);
    if (node.inode === undefined) this.setNode(id, { inode: OWN_INODES + BigInt(id) });
    this.#nodes += 1;
    return id;
  }

  setNode(id: number, changes: Partial<Omit<Node, "id">>): void {
    const columns = Object.keys(changes) as Column[];
    if (columns.length === 0) return;
    const values = columns.map((column) => toColumn(column, changes[column]));
    this.#run(
      `update node set ${columns.map((column) => `${column} = ?`).join(", ")} where id = ?`,
      ...values,
      id,
    );
  }

  removeNode(id: number): void {
    const { changes } = this.#run("delete from node where id = ?", id);
    this.#nodes -= changes;
    this.#run("delete from xattr where node = ?", id);
  }

  /** Nodes without a name: open when the process that served them ended. */
  nodesWithoutName(): number[] {
    return this.#all("select id from node where links = 0").map((row) => Number(row.id));
  }

  fileNodes(): Set<number> {
    return new Set(this.#all("select id from node where kind = 'file'").map((row) => Number(row.id)));
  }

  entry(parent: number, name: string): Entry | undefined {
    const row = this.#one("select * from entry where parent = ? and name = ?", parent, nameBytes(name));
    return row === undefined ? undefined : entryOf(row);
  }

  /** Sorted by the bytes of their names. */
  entries(parent: number): Entry[] {
    return this.#all("select * from entry where parent = ? order by name", parent).map(entryOf);
  }

  /** Whether there is a name in it that the guest sees. */
  hasNames(parent: number): boolean {
    return (
      this.#one("select 1 from entry where parent = ? and node is not null limit 1", parent) !== undefined
    );
  }

  putEntry(parent: number, entry: Entry): void {
    this.#run(
      "insert or replace into entry values (?, ?, ?, ?, ?)",
      parent,
      nameBytes(entry.name),
      entry.node ?? null,
      entry.base === undefined ? null : encodeStamp(entry.base),
      entry.ghost ?? null,
    );
  }

  removeEntry(parent: number, name: string): void {
    this.#run("delete from entry where parent = ? and name = ?", parent, nameBytes(name));
  }

  /** Names, kinds and inode numbers of what the guest sees, and names of what it has removed. */
  listing(parent: number): { name: string; kind: Kind | undefined; inode: bigint }[] {
    return this.#all(
      `select e.name as name, n.kind as kind, n.inode as inode
       from entry e left join node n on n.id = e.node where e.parent = ? order by e.name`,
      parent,
    ).map((row) => ({
      name: nameOf(row.name),
      kind: (row.kind as Kind | null) ?? undefined,
      inode: inodeOf(row.inode ?? 0n),
    }));
  }

  extended(node: number): { name: string; value: Uint8Array }[] {
    return this.#all("select name, value from xattr where node = ? order by name", node).map((row) => ({
      name: nameOf(row.name),
      value: row.value as Uint8Array,
    }));
  }

  putExtended(node: number, name: string, value: Uint8Array): void {
    this.#run("insert or replace into xattr values (?, ?, ?)", node, nameBytes(name), value);
  }

  removeExtended(node: number, name: string): void {
    this.#run("delete from xattr where node = ? and name = ?", node, nameBytes(name));
  }

  [Symbol.dispose](): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#database.close();
  }
}

/** Below 2^53, so that programs which count in doubles see whole numbers; far above what filesystems number. */
const OWN_INODES = 1n << 52n;

function asFileError(error: unknown): unknown {
  const code = (error as { code?: unknown }).code;
  if (error instanceof FileError || typeof code !== "string" || !code.startsWith("SQLITE_")) return error;
  return code === "SQLITE_FULL" ? new FileError(Errno.ENOSPC) : new FileError(Errno.EIO);
}

const newer = (path: string) =>
  new SmolError("workspace.newer", `${path} was written by a later version of smolvm`, {
    hint: "use that version, or discard the workspace with it",
  });
