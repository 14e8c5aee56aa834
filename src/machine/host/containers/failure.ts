import { SmolError } from "../../../errors.ts";
import type { RootRequest, Step } from "../../../guest/index.ts";
import { StreamFailure } from "../../../protocol/index.ts";
import { storageFailure, storageFull } from "./depot.ts";

/** Numbers of Linux's errors. */
const errno = { ENOENT: 2, ENOTBLK: 15, ENOTDIR: 20, ENOSPC: 28 } as const;

/** Why the root of a container could not be made, for people. */
export function explainRoot(error: unknown, { steps }: RootRequest): unknown {
  if (!(error instanceof StreamFailure) || error.code !== "step.failed") return error;
  if (error.errno === errno.ENOSPC) return storageFull();
  const step = error.step === undefined ? undefined : steps[error.step];
  const entered = steps.findIndex(({ kind }) => kind === "enter");
  const isInside = error.step !== undefined && error.step > entered;
  if (step?.kind === "mount" && step.type === "erofs") return explainImage(error);
  if (step !== undefined && isVolume(step, isInside)) {
    const hint = "a volume is a directory on both sides; one that is missing is made, links are not followed";
    return new SmolError("container.bad_volume", `a volume cannot be used: ${error.message}`, { hint });
  }
  if (step !== undefined && !isInside) return storageFailure(error.message, error);
  return new SmolError("container.bad_root", `the image cannot be a container's root: ${error.message}`, {
    cause: error,
  });
}

/** The only directories and trees for which a plan takes other slots than its own six (root/places.ts). */
function isVolume(step: Step, isInside: boolean): boolean {
  if (step.kind === "hold" || step.kind === "attach") return step.slot > 5;
  return !isInside && step.kind === "mkdir" && !step.path.includes("/.smolvm/");
}

function explainImage(error: StreamFailure): SmolError {
  if (error.errno === errno.ENOTBLK) {
    return new SmolError("container.kernel", "the kernel of this build cannot mount images from files", {
      hint: "containers need a full build of smolvm: ./dev build full",
      cause: error,
    });
  }
  const isGone = error.errno === errno.ENOENT || error.errno === errno.ENOTDIR;
  const what = isGone
    ? "is gone from the machine's storage disk"
    : "on the machine's storage disk is damaged";
  return imageFailure(`the container's image ${what} (${error.message})`, error);
}

export function imageFailure(message: string, cause?: unknown): SmolError {
  return new SmolError("container.image", message, {
    hint: "`smolvm container create` of the same image copies it anew; then start this container again",
    cause,
  });
}
