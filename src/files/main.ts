/**
 * The `__files` process: serves the folders of one machine, which its process names, over a socket. It does nothing
 * else, holds what the guest may see open, and ends with whoever started it.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { closeDescriptor, OpenFlag, openAt } from "../../ffi/files.ts";
import { refuseNewPrivileges, setParentDeathSignal, setResourceLimit } from "../../ffi/libc.ts";
import { SmolError } from "../errors.ts";
import { Connection, connectTransport, failureOf, jsonCodec, type Stream } from "../protocol/index.ts";
import { version } from "../version.ts";
import { Errno } from "./errno.ts";
import type { Caller, Filesystem } from "./filesystem.ts";
import { Folder } from "./folder/folder.ts";
import { HandleBudget } from "./folder/handles.ts";
import { Descriptors, MemoryBudget } from "./folder/inodes.ts";
import { DIRECTORY, REGULAR, Stat } from "./folder/stat.ts";
import { Watches } from "./replay/watches.ts";
import type { VolumeEvent, VolumeRequest } from "./request.ts";
import { Session } from "./session.ts";
import { RequestReader } from "./wire/request.ts";

/** The descriptor on which this process finds the machine's. */
export const OWNER_FD = 4;
const SIGKILL = 9;
const AT_FDCWD = -100;

/** Requests come on this channel, replies go on it. */
const BYTES = 0;

/** For files that the guest knows: enough for 700,000. Its kernel forgets those that it needs least, for its own sake. */
const MEMORY_BYTES = 512 * 1024 * 1024;

/** Directories of which guests are told what the host changes there; each takes a kilobyte of the kernel's memory. */
const MAX_WATCHES = 8192;

interface Shared {
  readonly descriptors: Descriptors;
  readonly handles: HandleBudget;
  readonly memory: MemoryBudget;
  readonly watches: Watches;
}

/** Entry of the `__files` role; argument: process id of the parent, where it was not the launcher that started it. */
export async function runFilesProcess(): Promise<never> {
  settle(process.argv[3]);
  const most = openFilesLimit();
  // A quarter finds files again, half is the guest's, the rest is this program's.
  const shared = {
    descriptors: new Descriptors(Math.max(16, Math.floor(most / 4))),
    handles: new HandleBudget(Math.max(16, Math.floor(most / 2))),
    memory: new MemoryBudget(MEMORY_BYTES),
    watches: new Watches(watchesLimit()),
  };
  const transport = await connectTransport({ fd: OWNER_FD });
  const owner = new Connection(transport, {
    codec: jsonCodec(version),
    onStream: (stream) => void serve(stream, shared),
  });
  void shared.watches.follow();
  await owner.closed;
  process.exit(0);
}

/** Modes are what the guest's kernel made of them: this process takes nothing away. */
function settle(parent: string | undefined): void {
  process.umask(0);
  process.chdir("/");
  setResourceLimit("core", 0);
  refuseNewPrivileges();
  setParentDeathSignal(SIGKILL);
  // It may have ended before this process asked to be told.
  if (parent !== undefined && process.ppid !== Number(parent)) process.exit(1);
}

/** As many as the runtime has raised it to. */
function openFilesLimit(): number {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  return Math.min(Number(soft ?? 1024), 65_536);
}

/** Of what this user's programs may watch together, which older systems keep at some thousands, a small part. */
function watchesLimit(): number {
  try {
    const most = Number(readFileSync("/proc/sys/fs/inotify/max_user_watches", "utf8"));
    return Math.min(MAX_WATCHES, Math.floor(most / 8));
  } catch {
    return MAX_WATCHES / 8;
  }
}

async function serve(stream: Stream, shared: Shared): Promise<void> {
  let folder: Filesystem | undefined;
  try {
    // The machine's process is the same program of the same user: the request is what it says it is.
    const request = stream.request.params as VolumeRequest;
    folder = await openVolume(request, shared);
    stream.accept();
    const tell = (event: VolumeEvent): void => stream.event({ ...event });
    const trouble = atMost(5, (text: string) => tell({ trouble: text.slice(0, 300) }));
    const { changes } = folder;
    if (changes !== undefined) {
      const missed = (reason: unknown): void => trouble(`does not tell all that the host changes: ${reason}`);
      changes.onMissed = missed;
      stream.onControl = () => void changes.next().then((list) => tell({ changes: list }), missed);
    }
    const onError = (error: unknown): void => trouble(`answered a request with EIO: ${String(error)}`);
    await answerAll(stream, new Session(folder, { readOnly: request.readOnly, onError }));
    stream.finish({});
  } catch (error) {
    stream.fail(failureOf(error));
  } finally {
    folder?.close();
  }
}

/** The guest decides how often. */
function atMost<T>(count: number, call: (value: T) => void): (value: T) => void {
  let left = count;
  return (value) => {
    if (left-- > 0) call(value);
  };
}

async function answerAll(stream: Stream, session: Session): Promise<void> {
  const reader = new RequestReader();
  for await (const chunk of stream.read(BYTES))
    for (const request of reader.read(chunk)) {
      const reply = session.answer(request);
      // A guest that does not take its replies gets no more: a few bytes of requests ask for many of replies.
      if (reply !== undefined && !stream.tryWrite(BYTES, reply)) await stream.write(BYTES, reply);
    }
}

async function openVolume(request: VolumeRequest, shared: Shared): Promise<Filesystem> {
  const folder = openFolder(request, shared);
  const { workspace: directory, path } = request;
  if (directory === undefined) return folder;
  folder.close();
  // Its face would load what lists and applies changes.
  const { serveWorkspace } = await import("../workspace/workspace.ts");
  return serveWorkspace({ directory, folder: path }, currentUser(), shared.handles);
}

const currentUser = (): Caller => ({ uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 });

/**
 * Opens what is to be shared. Its path was made canonical when the machine was described: a link that has come into it
 * since then would lead elsewhere.
 */
function openFolder({ path, isFile, readOnly }: VolumeRequest, shared: Shared): Folder {
  // The texts of ffi/files.ts have a character for each byte.
  const root = openAt(AT_FDCWD, Buffer.from(path).toString("latin1"), OpenFlag.pathOnly | OpenFlag.noFollow);
  if (root === -Errno.ENOENT || root === -Errno.ENOTDIR) throw noSource(path);
  if (root < 0) throw new SmolError("volume.unreadable", `cannot open ${path}: errno ${-root}`);
  const stat = new Stat();
  const isSame = stat.read(root) === 0 && stat.type === (isFile ? REGULAR : DIRECTORY);
  if (!isSame || readlinkSync(`/proc/self/fd/${root}`) !== path) {
    closeDescriptor(root);
    throw new SmolError("volume.changed", `${path} is not any more what the machine was given`, {
      hint: "look at what has been put in its place, and give the volume again with `smolvm machine update`",
    });
  }
  return new Folder({ root, ...shared, user: currentUser(), readOnly });
}

const noSource = (path: string): SmolError =>
  new SmolError("volume.no_source", `mount source not found: ${path}`, {
    hint: "make it, or give another one",
  });
