/**
 * What a machine has changed of its image, as the members of one layer (OCI image specification, layer.md). overlayfs
 * keeps it in the upper directory of the overlay disk, in ways of its own (Documentation/filesystems/overlayfs.rst):
 * whiteouts are devices, renamed directories and changed attributes are notes about the image below. All of these are
 * resolved here, so that the layer means the same to everybody.
 */
import { SmolError } from "../../errors.ts";
import {
  checkName,
  joined,
  type LayerMember,
  type MembersReport,
  memberOf,
  TreeMembers,
} from "../../image/tar/index.ts";
import {
  type Attributes,
  type FileTree,
  FileType,
  printable,
  splitPath,
  type TreeFile,
} from "../../image/tree/index.ts";

const OPAQUE = "trusted.overlay.opaque";
const REDIRECT = "trusted.overlay.redirect";
const METACOPY = "trusted.overlay.metacopy";

/** A directory of the image that shines through one of the upper layer. */
type Lower = TreeFile | undefined;

/**
 * @param upper the overlay disk @param top its directory that holds the changes @param image what they were made to
 * @throws SmolError `disk.damaged`, `image.layer_damaged`
 */
export function overlayChanges(
  upper: FileTree,
  top: TreeFile,
  image: FileTree,
  report: MembersReport,
): Generator<LayerMember, void, undefined> {
  const walk = new Walk(upper, image, report);
  return walk.directory(top, "", image.root, image.root, 0);
}

class Walk {
  readonly #upper: FileTree;
  readonly #image: FileTree;
  readonly #members: TreeMembers;
  /** Directories of the upper layer that were met: in a tree there is one way to each. */
  readonly #met = new Set<number>();

  constructor(upper: FileTree, image: FileTree, report: MembersReport) {
    this.#upper = upper;
    this.#image = image;
    this.#members = new TreeMembers(report);
  }

  /**
   * @param here what the image has at this path, which the layer lies over
   * @param below what the machine sees through the directory: the same, nothing, or another one that was moved here
   */
  *directory(
    file: TreeFile,
    path: string,
    here: Lower,
    below: Lower,
    depth: number,
  ): Generator<LayerMember, void, undefined> {
    this.#members.count(path, depth);
    if (this.#met.has(file.id)) throw damaged("a directory has two names");
    this.#met.add(file.id);
    yield memberOf(path, file);
    const names = this.#members.list(this.#upper, file);
    const through = directoryOf(below);
    const lies = directoryOf(here);
    const isSame = lies?.id === through?.id;
    const isWhole = lies !== undefined && !isSame;
    if (isWhole) yield whiteout(joined(path, ".wh..wh..opq"), file.attributes);
    const seen =
      through === undefined ? new Map<string, TreeFile>() : this.#members.list(this.#image, through);
    if (!isWhole && lies !== undefined) {
      for (const [name, child] of names) {
        if (isWhiteout(child) && seen.has(name))
          yield whiteout(joined(path, `.wh.${name}`), child.attributes);
      }
    }
    // What was moved here from elsewhere in the image is not there for the layer: it brings all of it.
    const moved = isSame ? [] : [...seen].filter(([name]) => !names.has(name));
    const all = [...names, ...moved.map(([name]) => [name, undefined] as const)];
    for (const [name, child] of all.sort(([a], [b]) => (a < b ? -1 : 1))) {
      const inside = joined(path, name);
      const lower = seen.get(name);
      if (child === undefined) {
        if (lower !== undefined) yield* this.#members.whole(this.#image, lower, inside, depth + 1);
      } else if (!isWhiteout(child)) {
        checkName(name);
        yield* this.#changed(
          child,
          inside,
          isSame ? lower : undefined,
          { parent: through, lower },
          depth + 1,
        );
      }
    }
  }

  *#changed(
    file: TreeFile,
    path: string,
    here: Lower,
    image: { readonly parent: Lower; readonly lower: Lower },
    depth: number,
  ): Generator<LayerMember, void, undefined> {
    const redirect = noteOf(file, REDIRECT);
    const below = redirect === undefined ? image.lower : this.#redirected(redirect, image.parent);
    if (file.type === FileType.directory) {
      yield* this.directory(file, path, here, noteOf(file, OPAQUE) === "y" ? undefined : below, depth);
      return;
    }
    this.#members.count(path, depth);
    if (file.type === FileType.regular && noteOf(file, METACOPY) !== undefined) {
      yield* this.#attributesOnly(file, path, below);
      return;
    }
    yield* this.#members.file(this.#upper, file, path);
  }

  /** A file whose attributes were changed, and not its bytes: these are the image's. */
  *#attributesOnly(file: TreeFile, path: string, source: Lower): Generator<LayerMember, void, undefined> {
    if (source?.type !== FileType.regular)
      throw damaged(`the bytes of ${printable(path)} are not in the image`);
    const link = this.#members.furtherName(this.#upper, file, path);
    if (link !== undefined) yield link;
    else yield { ...memberOf(path, file), size: source.size, data: this.#image.open(source) };
  }

  /** Where a directory or file of the image was before: a path from the root, or a name in the same directory. */
  #redirected(redirect: string, parent: Lower): Lower {
    if (!redirect.startsWith("/")) return parent === undefined ? undefined : this.#childOf(parent, redirect);
    let file: Lower = this.#image.root;
    for (const name of splitPath(redirect)) file = file === undefined ? undefined : this.#childOf(file, name);
    return file;
  }

  #childOf(file: TreeFile, name: string): Lower {
    return file.type === FileType.directory ? this.#image.entries(file).get(name) : undefined;
  }
}

const directoryOf = (file: Lower): Lower => (file?.type === FileType.directory ? file : undefined);

const isWhiteout = ({ type, major, minor }: TreeFile): boolean =>
  type === FileType.character && major === 0 && minor === 0;

function noteOf({ attributes }: TreeFile, name: string): string | undefined {
  const note = attributes.xattrs.find((xattr) => xattr.name === name);
  return note === undefined ? undefined : Buffer.from(note.value).toString("latin1").replace(/\0+$/, "");
}

function whiteout(path: string, { seconds, nanoseconds }: Attributes): LayerMember {
  const attributes = { permissions: 0, uid: 0, gid: 0, seconds, nanoseconds, xattrs: [] };
  return {
    path,
    type: FileType.regular,
    target: "",
    major: 0,
    minor: 0,
    size: 0,
    attributes,
    data: undefined,
  };
}

const damaged = (what: string): SmolError =>
  new SmolError("disk.damaged", `the machine's changes cannot be read: ${what}`, {
    hint: "start and stop the machine: a start checks and repairs its filesystems",
  });
