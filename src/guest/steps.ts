/** The steps that make a root, and other mounts in the guest (docs/protocol.md, "Roots"). */
import { FieldWriter } from "./fields.ts";

/** How a step treats what it meets; to be joined with `|`. */
export const StepFlag = {
  /** Makes the missing target, a directory. */
  makeDirectory: 1,
  /** Makes the missing target, a file. */
  makeFile: 2,
  /** Only where the target is missing or a directory itself (no link); else the step is skipped and noted. */
  directoryOnly: 4,
  /** A failure is a note. */
  optional: 8,
  /** Only where nothing is there, a link included; else the step is skipped. */
  ifAbsent: 16,
  /** Of `fill`: into a tree that may have files of its own, which stay, and only the first time. */
  once: 32,
  /** A target that is a link is removed first. */
  replaceLink: 64,
} as const;

/** Flags of mount(2), linux/mount.h. */
export const MountFlag = {
  readOnly: 1,
  noSuid: 2,
  noDevices: 4,
  noExec: 8,
  remount: 32,
  /** No link on it is followed, whatever path leads there. */
  noSymlinks: 256,
  noAccessTimes: 1024,
  bind: 4096,
  recursive: 16384,
  private: 1 << 18,
  relativeAccessTimes: 1 << 21,
} as const;

/** Slots for held trees: 0 to 95. */
export const MAX_SLOT = 95;

interface Flagged {
  /** `StepFlag`s. */
  readonly flags?: number | undefined;
}

/** Makes a directory and its missing parents; one that exists stays as it is. */
export interface MkdirStep extends Flagged {
  readonly kind: "mkdir";
  readonly path: string;
  /** Permission bits. */
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** mount(2). */
export interface MountStep extends Flagged {
  readonly kind: "mount";
  readonly source?: string | undefined;
  readonly path: string;
  /** The filesystem's type. */
  readonly type?: string | undefined;
  /** `MountFlag`s. */
  readonly mountFlags?: number | undefined;
  readonly data?: string | undefined;
}

/** Keeps a copy of a mounted tree in a slot (open_tree(2)). */
export interface HoldStep {
  readonly kind: "hold";
  readonly path: string;
  readonly slot: number;
}

/** Mounts the tree of a slot (move_mount(2)). */
export interface AttachStep extends Flagged {
  readonly kind: "attach";
  readonly slot: number;
  readonly path: string;
  /** `MountFlag`s. */
  readonly mountFlags?: number | undefined;
}

/** umount2(2), lazily. */
export interface UnmountStep extends Flagged {
  readonly kind: "unmount";
  readonly path: string;
}

/** Writes a file, made with `mode` where it is missing. */
export interface WriteStep extends Flagged {
  readonly kind: "write";
  readonly path: string;
  /** A text is written as UTF-8. */
  readonly content: string | Uint8Array;
  readonly mode?: number | undefined;
}

/** Makes a link at `path` that points to `target`. */
export interface SymlinkStep extends Flagged {
  readonly kind: "symlink";
  readonly path: string;
  readonly target: string;
}

/** Makes a device; `mode` includes its type (stat(2): S_IFCHR, S_IFBLK). */
export interface NodeStep extends Flagged {
  readonly kind: "node";
  readonly path: string;
  readonly mode: number;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly major: number;
  readonly minor: number;
}

/** Copies a directory's content, owner and mode into a slot's tree, if that is empty (or see `StepFlag.once`). */
export interface FillStep extends Flagged {
  readonly kind: "fill";
  readonly path: string;
  readonly slot: number;
}

/** Grows a mounted ext4 to its device. */
export interface GrowStep extends Flagged {
  readonly kind: "grow";
  readonly path: string;
  /** The device. */
  readonly source: string;
}

/** Makes a mounted directory the root (pivot_root(2)). Paths before it are the system's, behind it the root's. */
export interface EnterStep {
  readonly kind: "enter";
  readonly path: string;
}

export type Step =
  | MkdirStep
  | MountStep
  | HoldStep
  | AttachStep
  | UnmountStep
  | WriteStep
  | SymlinkStep
  | NodeStep
  | FillStep
  | GrowStep
  | EnterStep;

const kinds: Record<Step["kind"], number> = {
  mkdir: 1,
  mount: 2,
  hold: 3,
  attach: 4,
  unmount: 5,
  write: 6,
  symlink: 7,
  node: 8,
  fill: 9,
  grow: 10,
  enter: 11,
};

/** Every property that a step may have; a step has those of its kind. */
type AnyStep = { kind: Step["kind"]; path: string } & Partial<
  Omit<MkdirStep & MountStep & HoldStep & WriteStep & SymlinkStep & NodeStep, "kind" | "path">
>;

/** Encodes a step: its kind and its fields. @throws RangeError for a slot that does not exist */
export function encodeStep(step: Step): Uint8Array {
  const any = step as AnyStep;
  if (any.slot !== undefined && any.slot > MAX_SLOT) throw new RangeError(`slot ${any.slot} does not exist`);
  const content = typeof any.content === "string" ? new TextEncoder().encode(any.content) : any.content;
  return new FieldWriter([kinds[step.kind]])
    .text(1, any.path)
    .text(2, any.source ?? any.target)
    .text(3, any.type)
    .int(4, any.flags)
    .int(5, any.mountFlags)
    .text(6, any.data)
    .int(7, any.mode)
    .int(8, any.uid)
    .int(9, any.gid)
    .int(10, any.major)
    .int(11, any.minor)
    .int(12, any.slot)
    .bytes(13, content)
    .finish();
}
