import type { VolumeTrouble } from "../../../files/request.ts";
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
      // A device in a folder of the host is none of the guest's.
      mountFlags: MountFlag.noDevices | (readOnly ? MountFlag.readOnly : 0),
    });
    return connect(fuse, server, { path, isFile, readOnly, workspace }, (reason) =>
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
  onTrouble: (reason: string) => void,
): Promise<void> {
  try {
    const stream = await server.open(volume);
    stream.onEvent = (event) => onTrouble(`answered a request with EIO: ${(event as VolumeTrouble).error}`);
    await Promise.all([stream.accepted, fuse.mounted]);
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
