import { closeSync, constants, cpSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { flock } from "../../ffi/libc.ts";
import { errnoOf, SmolError } from "../errors.ts";
import type { Caller, Filesystem } from "../files/filesystem.ts";
import type { HandleBudget } from "../files/folder/handles.ts";
import { tryForAMoment } from "../host/index.ts";
import { Data } from "./data.ts";
import { HostFolder } from "./host-folder.ts";
import { IndexFile, ROOT } from "./index-file.ts";
import { WorkspaceFilesystem } from "./layer/filesystem.ts";
import { Layer } from "./layer/layer.ts";
import { settleTemporaries } from "./leftovers.ts";
import { PERMISSION_BITS, type Stat } from "./stat.ts";

/**
 * A workspace on the host's disk: a directory with
 *
 *     index        what the guest has changed (index-file.ts)
 *     data/        bytes of its files
 *     served       locked by the process that serves it to a guest: one at a time
 *     change.lock  locked by who applies or discards: one at a time
 */
export interface WorkspacePaths {
  /** Of the workspace; absolute. */
  readonly directory: string;
  /** The host's folder; absolute, without links. */
  readonly folder: string;
}

/** Two seconds of looking for a lock. */
const LOOKS = 400;

const indexOf = (directory: string) => `${directory}/index`;
const dataOf = (directory: string) => `${directory}/data`;

/** Whether there is one: before its first start, a machine has none. */
export const hasWorkspace = (directory: string): boolean => existsSync(indexOf(directory));

/** Makes an empty workspace, complete or not at all. There may be one. */
function makeWorkspace({ directory, folder }: WorkspacePaths, owner: Caller): void {
  if (hasWorkspace(directory)) return;
  const draft = `${directory}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(dataOf(draft), { recursive: true, mode: 0o700 });
  {
    using host = new HostFolder(folder);
    using index = new IndexFile(indexOf(draft), "create");
    const stat = host.stat([]) as Stat;
    const isRoot = owner.uid === 0;
    index.change(() => {
      index.putSetting("folder", folder);
      const id = index.addNode({
        kind: "directory",
        mode: stat.mode & PERMISSION_BITS,
        uid: isRoot ? stat.uid : 0,
        gid: isRoot ? stat.gid : 0,
        accessed: stat.accessed,
        modified: stat.modified,
        changed: stat.changed,
        inode: stat.inode,
        links: 1,
        merged: true,
        target: undefined,
        origin: undefined,
        applied: undefined,
      });
      if (id !== ROOT) throw new Error(`the first node of ${draft} has number ${id}`);
    });
  }
  renameSync(draft, directory);
}

/**
 * The guest's tree over a folder, for a file server; makes the workspace when there is none. One process at a time: it
 * holds a lock until `close`.
 *
 * @param user who runs this process
 * @param handles files and directories that the guests of this process may have open
 * @throws SmolError `workspace.busy`, `workspace.newer`, `workspace.damaged`; errors of the folder's open(2)
 */
export function serveWorkspace(paths: WorkspacePaths, user: Caller, handles: HandleBudget): Filesystem {
  makeWorkspace(paths, user);
  const lock = openSync(`${paths.directory}/served`, "w", 0o600);
  try {
    // The one that served it before may just be being killed.
    if (tryForAMoment(() => flock(lock, "exclusive", false) || undefined, LOOKS) === undefined)
      throw new SmolError("workspace.busy", `another process serves ${paths.directory}`);
    const index = new IndexFile(indexOf(paths.directory), "change");
    const data = new Data(dataOf(paths.directory));
    index.change(() => {
      for (const node of index.nodesWithoutName()) index.removeNode(node);
    });
    data.sweep(index.fileNodes());
    const host = new HostFolder(paths.folder);
    const close = () => {
      index[Symbol.dispose]();
      host[Symbol.dispose]();
      closeSync(lock);
    };
    return new WorkspaceFilesystem(new Layer(index, host, data, user), handles, close);
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** A workspace that is looked at, or changed from outside of the guest. */
export interface OpenWorkspace extends Disposable {
  readonly index: IndexFile;
  readonly host: HostFolder;
  readonly data: Data;
  /** Whether a guest may use it meanwhile. */
  readonly isServed: boolean;
}

/**
 * @param how `change` waits for nobody: one who applies or discards at a time
 * @throws SmolError `workspace.busy`, `workspace.folder_missing`, `workspace.newer`, `workspace.damaged`
 */
export function openWorkspace(paths: WorkspacePaths, how: "read" | "change"): OpenWorkspace {
  const { directory, folder } = paths;
  const lock = how === "change" ? openSync(`${directory}/change.lock`, "w", 0o600) : undefined;
  try {
    if (lock !== undefined && !flock(lock, "exclusive", false))
      throw new SmolError("workspace.busy", `another command applies or discards changes of ${folder}`, {
        hint: "try again when it has ended",
      });
    const host = openHost(folder);
    // Nobody begins to serve it meanwhile.
    const served = how === "change" ? openSync(`${directory}/served`, "a", 0o600) : undefined;
    const isServed = served === undefined || !flock(served, "exclusive", false);
    const index = new IndexFile(indexOf(directory), how);
    if (how === "change") settleTemporaries(index, host);
    return {
      index,
      host,
      data: new Data(dataOf(directory)),
      isServed,
      [Symbol.dispose]() {
        index[Symbol.dispose]();
        host[Symbol.dispose]();
        for (const fd of [served, lock]) if (fd !== undefined) closeSync(fd);
      },
    };
  } catch (error) {
    if (lock !== undefined) closeSync(lock);
    throw error;
  }
}

function openHost(folder: string): HostFolder {
  try {
    return new HostFolder(folder);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    throw new SmolError("workspace.folder_missing", `${folder}, which the workspace is of, is not there`, {
      hint: "the guest's changes are kept until the machine is deleted: bring the folder back",
    });
  }
}

/**
 * Copies a workspace that no guest uses.
 *
 * @param to directory that is not there yet; its parent is made
 * @throws SmolError `workspace.busy`
 */
export function copyWorkspace(paths: WorkspacePaths, to: string): void {
  using workspace = openWorkspace(paths, "change");
  if (workspace.isServed)
    throw new SmolError("workspace.busy", `a guest uses the workspace of ${paths.folder}`);
  const draft = `${to}.new`;
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  for (const name of ["index", "index-wal", "data"]) {
    if (!existsSync(`${paths.directory}/${name}`)) continue;
    cpSync(`${paths.directory}/${name}`, `${draft}/${name}`, {
      recursive: true,
      mode: constants.COPYFILE_FICLONE,
    });
  }
  renameSync(draft, to);
}
