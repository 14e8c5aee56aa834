/** Images that are made of machines. */
import type { Paths } from "../../config/paths.ts";
import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import type { ImageConfig, Platform } from "../../image/index.ts";
import type { MachineRecord } from "../model/index.ts";
import { claimMachine, dataDirectory } from "../store/index.ts";

export interface CommitOptions {
  /** What the image is called; without one it has no name. */
  readonly reference?: string | undefined;
  /** Of references without a registry; default docker.io. */
  readonly defaultRegistry?: string | undefined;
  /** Changes of how it is run, as lines of a Dockerfile: `CMD ["nginx"]`. */
  readonly changes?: readonly string[] | undefined;
  /**
   * The id of another image, of the same platform and held by the caller, that the changes are laid above, in place of
   * the one that they were made to.
   */
  readonly onto?: string | undefined;
  readonly author?: string | undefined;
  readonly message?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Committed {
  readonly id: string;
  /** As users write it. */
  readonly reference: string | undefined;
  readonly sizeBytes: number;
  /** Sockets that the image does not have. */
  readonly skipped: number;
  /** Until then, and as long as this process lives, nothing removes the image. */
  readonly release: () => void;
}

/** What a machine's changes lie above. */
interface Below {
  readonly source: ErofsDisk;
  readonly platform: Platform;
  readonly config: ImageConfig;
  /** Of the cache; none for the built-in image, whose files become a layer. */
  readonly diffIds: readonly string[];
  readonly isBuiltIn: boolean;
  readonly release: () => void;
}

type ErofsDisk = ReturnType<typeof import("../../image/store/disk-source.ts").openFileDisk>;

/**
 * Makes an image of a machine that does not run: the layers of its image, and what it has changed as one layer above
 * them, `/workspace` and `/storage` included. What of the machine is a setting (environment, command, user) stays the image's, unless
 * `changes` says otherwise: as with `docker commit`, and secrets stay where they are.
 *
 * @throws SmolError `machine.not_found`, `machine.running`, `machine.no_disks`, `disk.unclean`, `disk.damaged`,
 * `image.*`, `registry.bad_reference`; the signal's reason
 */
export async function commitMachine(
  context: Context,
  name: string,
  options: CommitOptions,
): Promise<Committed> {
  const { paths } = context;
  const { reference, defaultRegistry, changes = [], author = "", message = "", signal } = options;
  const [{ parseReference }, { changeConfig, emptyConfig }, { commitImage }, { MachineChanges }] =
    await Promise.all([
      import("../../registry/index.ts"),
      import("../../image/oci/index.ts"),
      import("../../image/commit.ts"),
      import("../changes/index.ts"),
    ]);
  // What can be wrong about the words is told before anything is looked at.
  if (reference !== undefined) parseReference(reference, { registry: defaultRegistry });
  changes.reduce(changeConfig, emptyConfig);
  const claim = await claimMachine(paths, name, signal);
  try {
    if (claim.isRunning()) throw running(name);
    const below = await openBelow(paths, claim.record);
    try {
      const base = options.onto === undefined ? below : await otherBase(paths, below, options.onto);
      const config = changes.reduce(changeConfig, base.config);
      const covered = new Set(claim.record.volumes.map(({ target }) => target));
      using machine = new MachineChanges(dataDirectory(paths, name), below.source, covered);
      const layers = [...(below.isBuiltIn ? [machine.imageLayer()] : []), machine.layer()];
      const { platform, diffIds } = base;
      const made = { author, message };
      const image = await commitImage({
        ...{
          cacheDir: paths.cache,
          reference,
          defaultRegistry,
          platform,
          diffIds,
          layers,
          config,
          made,
          signal,
        },
      });
      return { ...image, skipped: machine.report.skipped };
    } finally {
      below.source[Symbol.dispose]();
      below.release();
    }
  } finally {
    claim.release();
  }
}

/** @throws SmolError `image.removed`, `machine.no_disks` */
async function openBelow(paths: Paths, record: MachineRecord): Promise<Below> {
  const disks = await import("../../image/store/disk-source.ts");
  const { imageId, image, baseId } = record;
  if (image === null) {
    const [{ assetPath, assetPathOf }, { emptyConfig }, { hostPlatform }] = await Promise.all([
      import("../../assets/index.ts"),
      import("../../image/oci/index.ts"),
      import("../../image/platform.ts"),
    ]);
    const path =
      baseId === null ? await assetPath("base", paths.cache) : await assetPathOf("base", baseId, paths.cache);
    if (path === undefined) throw gone("the built-in image");
    const source = disks.openFileDisk(path);
    const config = { ...emptyConfig, cmd: ["/bin/sh"] };
    return { source, platform: hostPlatform(), config, diffIds: [], isBuiltIn: true, release: () => {} };
  }
  const store = await import("../../image/store/index.ts");
  const directory = `${paths.cache}/images`;
  const lease = imageId === null ? undefined : store.leaseImage(directory, imageId, false);
  const stored = imageId === null ? undefined : store.findImage(directory, imageId);
  if (stored === undefined) {
    lease?.release();
    if (imageId === null) {
      throw new SmolError("machine.no_disks", "the machine was never started: it has no files of its own", {
        hint: "start it, make what it should hold, and stop it",
      });
    }
    throw gone(image);
  }
  const { platform, config, layers } = stored;
  return {
    ...{ platform, config, isBuiltIn: false },
    diffIds: layers.map(({ diffId }) => diffId),
    source: disks.openImageDisk(directory, stored),
    release: () => lease?.release(),
  };
}

/** @throws SmolError `image.removed`; `machine.bad_setting` when the machine has no image, or one of another platform */
async function otherBase(
  { cache }: Paths,
  below: Below,
  id: string,
): Promise<Pick<Below, "platform" | "config" | "diffIds">> {
  const [{ findImage }, { platformName }] = await Promise.all([
    import("../../image/store/index.ts"),
    import("../../image/platform.ts"),
  ]);
  const stored = findImage(`${cache}/images`, id);
  if (stored === undefined) throw gone(id);
  const { platform, config, layers } = stored;
  const [had, has] = [platformName(below.platform), platformName(platform)];
  if (below.isBuiltIn || had !== has) {
    const problem = below.isBuiltIn
      ? "the machine has no image"
      : `its image is for ${had}, and this for ${has}`;
    throw new SmolError("machine.bad_setting", `${problem}: its changes cannot be laid above another`);
  }
  return { platform, config, diffIds: layers.map(({ diffId }) => diffId) };
}

const gone = (image: string): SmolError =>
  new SmolError("image.removed", `${image}, which the machine was begun on, is not in the cache any more`);

const running = (name: string): SmolError =>
  new SmolError("machine.running", `machine '${name}' is running, and its files change under a copy`, {
    hint: `smolvm machine stop --name ${name}`,
  });
