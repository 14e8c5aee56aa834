import type { HostChange, VolumeEvent } from "../../../files/request.ts";
import { type Guest, type GuestFuse, MountFlag } from "../../../guest/index.ts";
import type { PlannedVolume } from "../../plan/index.ts";
import { volumePlace } from "../../root/index.ts";
import { FileServer, type ServerConfinement } from "./server.ts";

/** Folders of the host that a guest has mounted. */
export interface SharedVolumes {
  /** Resolves when every folder is open; rejects with why one is not. */
  readonly ready: Promise<void>;
  close(): void;
}

const none: SharedVolumes = { ready: Promise.resolve(), close: () => {} };

/** What the guest's kernel is told about each: it checks modes and owners, and every user of the guest may look. */
const OPTIONS = "user_id=0,group_id=0,default_permissions,allow_other,max_read=122880";

/**
 * Mounts folders on the system's side of a guest, where its roots find them. The mounts are asked for before this
 * returns: what is asked of the guest next finds them, and waits for the server by itself.
 *
 * @param confine undefined where there is no launcher
 * @param onTrouble called while the machine runs with why the guest gets errors: that its folders are gone, or what
 *     their server did not foresee
 */
export function shareVolumes(
  guest: Guest,
  volumes: readonly PlannedVolume[],
  confine: ServerConfinement | undefined,
  onTrouble: (reason: string) => void,
): SharedVolumes {
  if (volumes.length === 0) return none;
  const server = new FileServer(volumes, confine);
  let closed = false;
  const trouble = (reason: string): void => {
    if (!closed) onTrouble(reason);
  };
  const opened = volumes.map((volume, index) => {
    const { path, isFile, readOnly, target, workspace } = volume;
    const fuse = guest.fuse({
      path: volumePlace(index),
      isFile,
      options: `rootmode=${isFile ? "100000" : "40000"},${OPTIONS}`,
      // A device in a folder of the host is none of the guest's. Roots get it read-only where it is; here changes of the
      // host's are repeated, and the server refuses all others.
      mountFlags: MountFlag.noDevices,
    });
    const replay = async (changes: readonly HostChange[]): Promise<void> =>
      await guest.replay(volumePlace(index), changes);
    return connect(fuse, server, { path, isFile, readOnly, workspace }, replay, (reason) =>
      trouble(`the volume at ${target} ${reason}`),
    );
  });
  const ready = Promise.all(opened).then(() => {});
  ready.catch(() => {});
  const close = (): void => {
    closed = true;
    server.kill();
  };
  return { ready, close };
}

/** Connects a mount with who serves it; resolves when that has opened the folder. */
async function connect(
  fuse: GuestFuse,
  server: FileServer,
  volume: Parameters<FileServer["open"]>[0],
  replay: (changes: readonly HostChange[]) => Promise<void>,
  onTrouble: (reason: string) => void,
): Promise<void> {
  try {
    const stream = await server.open(volume);
    const askForChanges = (): void => {
      if (!stream.isOver) stream.control({});
    };
    stream.onEvent = (event) => {
      const { trouble, changes } = event as VolumeEvent;
      if (trouble !== undefined) onTrouble(trouble);
      // A guest that cannot do it now is told of what comes later.
      if (changes !== undefined) void replay(changes).then(askForChanges, askForChanges);
    };
    await Promise.all([stream.accepted, fuse.mounted]);
    askForChanges();
    const requests = (async () => {
      for await (const chunk of fuse.read()) if (!stream.tryWrite(0, chunk)) await stream.write(0, chunk);
      stream.cancel();
    })();
    const replies = (async () => {
      for await (const chunk of stream.read(0)) await fuse.write(chunk);
      // Nobody in the guest waits for answers that will not come.
      fuse.cancel();
      onTrouble(`is gone: ${await server.ended}`);
    })();
    void Promise.allSettled([requests, replies]);
  } catch (error) {
    fuse.cancel();
    throw error;
  }
}
