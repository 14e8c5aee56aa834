/** What whoever applies changes should look at twice: a guest's files that do something on the host unasked. */
import { type Change, gitPath } from "../../workspace/index.ts";

/** Names of one kind, as the end of a path: whole names, of which a last one with `/` stands for all below it. */
interface Kind {
  readonly paths: readonly string[];
  readonly does: string;
}

/**
 * Programs that run such files, or commands in them, when a user works in the folder, not when a user runs them.
 * Compared without regard to upper and lower case, as the host's filesystem may do it.
 */
const KINDS: readonly Kind[] = [
  {
    paths: [
      ".git/hooks/",
      ".git/config",
      ".git/config.worktree",
      ".githooks/",
      ".husky/",
      ".pre-commit-config.yaml",
    ],
    does: "git may run commands of",
  },
  {
    paths: [".envrc", ".mise.toml", "mise.toml", ".mise/", ".autoenv.zsh"],
    does: "shells may run commands of",
  },
  {
    paths: [
      ".vscode/",
      ".idea/",
      ".devcontainer/",
      ".devcontainer.json",
      ".fleet/",
      ".zed/",
      ".cursor/",
      ".claude/",
      ".exrc",
      ".nvimrc",
      ".nvim.lua",
      ".vimrc",
      ".dir-locals.el",
    ],
    does: "editors and agents may run commands of",
  },
  {
    paths: [".npmrc", ".yarnrc", ".yarnrc.yml", ".yarn/", ".pnpmfile.cjs", ".cargo/", ".bazelrc"],
    does: "package managers may run commands of",
  },
];

/** A line for each kind of such changes. A change with a conflict is not applied, and one that removes does nothing. */
export function applyNotes(changes: readonly Change[]): string[] {
  const put = changes.filter(({ node, conflict }) => node !== undefined && conflict === undefined);
  const lines = KINDS.flatMap(({ paths, does }) =>
    lineOf(
      does,
      put.filter((change) => isOneOf(change, paths)),
    ),
  );
  return [...lines, ...lineOf("links that lead out of the folder:", put.filter(isLinkOut))];
}

function lineOf(text: string, [first, ...others]: readonly Change[]): string[] {
  if (first === undefined) return [];
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  return [`${text} ${gitPath(undefined, first.names)}${more}`];
}

function isOneOf({ names, node }: Change, paths: readonly string[]): boolean {
  // What is in a new directory is a change of its own.
  if (node?.kind === "directory") return false;
  const path = `/${names.join("/").toLowerCase()}`;
  // `.git` itself as a file or link leads to a repository of the guest's.
  if (paths.includes(".git/config") && (path.endsWith("/.git") || isOfModule(path))) return true;
  return paths.some((one) => {
    if (!one.endsWith("/")) return path.endsWith(`/${one}`);
    return path.includes(`/${one}`) || path.endsWith(`/${one.slice(0, -1)}`);
  });
}

/** Repositories of submodules and work trees, which lie in the one that has them. */
const isOfModule = (path: string): boolean =>
  /\/\.git\/(modules|worktrees)\/.*\/(hooks(\/.*)?|config|config\.worktree)$/.test(path);

/** Whether it is a link that leads somewhere else. */
export function isLinkOut({ node, names }: Change): boolean {
  if (node?.kind !== "symlink" || node.target === undefined) return false;
  return leadsOut(Buffer.from(node.target).toString("latin1"), names.length - 1);
}

function leadsOut(target: string, depth: number): boolean {
  if (target.startsWith("/")) return true;
  let level = depth;
  for (const part of target.split("/")) {
    if (part === "..") level -= 1;
    else if (part !== "" && part !== ".") level += 1;
    if (level < 0) return true;
  }
  return false;
}
