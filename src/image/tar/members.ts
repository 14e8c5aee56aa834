import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import {
  type Attributes,
  type FileTree,
  FileType,
  Listing,
  printable,
  type TreeFile,
} from "../tree/index.ts";
import type { LayerMember } from "./layer.ts";

/** What could not be in a layer. */
export interface MembersReport {
  /** Names of sockets. */
  skipped: number;
}

/**
 * Makes members of a layer out of files of trees, in whatever order they are asked for: counts them, and writes each file
 * once, however many names it has.
 */
export class TreeMembers {
  readonly #report: MembersReport;
  /** The first names of files with several, of each tree. */
  readonly #first = new Map<FileTree, Map<number, string>>();
  /** Directories that were written whole, and all that was listed, of each tree. */
  readonly #met = new Map<FileTree, Set<number>>();
  readonly #listings = new Map<FileTree, Listing>();
  #entries = 0;

  constructor(report: MembersReport) {
    this.#report = report;
  }

  /**
   * Everything of a directory, or one file.
   *
   * @throws SmolError `image.limit`, `image.bad_entry`, `image.bad_file_name`
   */
  *whole(tree: FileTree, file: TreeFile, path: string, depth = 0): Generator<LayerMember, void, undefined> {
    this.count(path, depth);
    if (file.type !== FileType.directory) {
      yield* this.file(tree, file, path);
      return;
    }
    this.#meet(tree, file, path);
    yield memberOf(path, file);
    for (const [name, child] of this.list(tree, file)) {
      checkName(name);
      yield* this.whole(tree, child, joined(path, name), depth + 1);
    }
  }

  /** What is in a directory. It counts, because it is held while all below is written. @throws SmolError `image.limit` */
  list(tree: FileTree, directory: TreeFile): ReadonlyMap<string, TreeFile> {
    const names = tree.entries(directory);
    const listing = this.#listings.get(tree) ?? new Listing();
    this.#listings.set(tree, listing);
    for (const file of names.values()) listing.add(file);
    return names;
  }

  /** On a stranger's disk a directory may lie in itself. */
  #meet(tree: FileTree, { id }: TreeFile, path: string): void {
    const met = this.#met.get(tree) ?? new Set<number>();
    this.#met.set(tree, met);
    if (met.has(id)) throw new SmolError("image.bad_entry", `a directory has two names: ${printable(path)}`);
    met.add(id);
  }

  /** A file that is no directory. */
  *file(tree: FileTree, file: TreeFile, path: string): Generator<LayerMember, void, undefined> {
    if (file.type === FileType.socket) {
      this.#report.skipped++;
      return;
    }
    const link = this.furtherName(tree, file, path);
    if (link !== undefined) yield link;
    else if (file.type === FileType.regular) yield { ...memberOf(path, file), data: tree.open(file) };
    else yield memberOf(path, file);
  }

  /** A further name of a file that is in the layer already. */
  furtherName(tree: FileTree, file: TreeFile, path: string): LayerMember | undefined {
    if (file.links < 2) return undefined;
    const names = this.#first.get(tree) ?? new Map<number, string>();
    this.#first.set(tree, names);
    const target = names.get(file.id);
    if (target === undefined) {
      names.set(file.id, path);
      return undefined;
    }
    return { ...memberOf(path, file), type: "link", target, size: 0 };
  }

  /** To be called once for each file. @throws SmolError `image.limit` */
  count(path: string, depth: number): void {
    if (depth > limits.depth) throw beyond(`directories are nested deeper than ${limits.depth}`);
    if (++this.#entries > limits.entries) throw beyond(`there are more than ${limits.entries} files`);
    if (path.length >= limits.pathBytes) throw beyond("a path is too long");
  }
}

export const joined = (path: string, name: string): string => (path === "" ? name : `${path}/${name}`);

/** In a layer such a name would delete another file (layer.md, "Whiteouts"). @throws SmolError `image.bad_file_name` */
export function checkName(name: string): void {
  if (!name.startsWith(".wh.")) return;
  throw new SmolError("image.bad_file_name", `a file cannot be in an image: ${printable(name)}`, {
    hint: "names that begin with .wh. mean deletions in images: give it another one",
  });
}

/** The member for a file, without its bytes. */
export function memberOf(path: string, file: TreeFile): LayerMember {
  const { type, target, major, minor, size } = file;
  return { path, type, target, major, minor, size, attributes: own(file.attributes), data: undefined };
}

/** Without the notes of overlayfs and of the agent (agent/fill.c), which mean nothing, or something else, in another place. */
function own(attributes: Attributes): Attributes {
  const xattrs = attributes.xattrs.filter(({ name }) => !/^trusted\.(overlay|smolvm)\./.test(name));
  return { ...attributes, xattrs };
}

const beyond = (what: string) => new SmolError("image.limit", what);
