import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { changesOf, openWorkspace } from "../../workspace/index.ts";
import { Guest, makePlace } from "../../workspace/workspace.fixture.ts";
import { applyNotes } from "./apply-notes.ts";

/** Notes about what a guest has done in a folder with a git repository. */
function notesOf(work: (guest: Guest) => void, host: (folder: string) => void = () => {}): string[] {
  using place = makePlace();
  mkdirSync(`${place.folder}/.git/hooks`, { recursive: true });
  mkdirSync(`${place.folder}/src`);
  writeFileSync(`${place.folder}/.git/config`, "[core]\n");
  writeFileSync(`${place.folder}/.git/hooks/pre-commit`, "#!/bin/sh\n");
  writeFileSync(`${place.folder}/.envrc`, "");
  using guest = Guest.of(place);
  work(guest);
  host(place.folder);
  using workspace = openWorkspace(place, "read");
  return applyNotes(changesOf(workspace));
}

test("one line for each kind of what runs unasked, and for links that lead out", () => {
  const notes = notesOf((guest) => {
    guest.write(".git/config", "[core]\nfsmonitor = evil\n");
    guest.write(".git/hooks/post-checkout", "evil", 0o755);
    guest.chmod(".git/hooks/pre-commit", 0o755);
    guest.mkdir("src/.ViM");
    guest.mkdir("src/.VSCode");
    guest.write("src/.VSCode/tasks.json", "{}");
    guest.write(".envrc", "evil");
    guest.write("src/.npmrc", "script-shell=evil");
    guest.symlink("../../etc/passwd", "src/a");
    guest.symlink("/etc/\x1b", "src/b");
  });
  expect(notes).toEqual([
    "git may run commands of .git/config, and 2 more",
    "shells may run commands of .envrc",
    "editors and agents may run commands of src/.VSCode/tasks.json",
    "package managers may run commands of src/.npmrc",
    "links that lead out of the folder: src/a, and 1 more",
  ]);
});

test("a repository in the repository, and links in the place of what is meant", () => {
  const path = ".git/modules/lib/hooks/post-update";
  const inModule = notesOf((guest) => {
    for (const at of [3, 4, 5])
      guest.mkdir(
        path
          .split("/")
          .slice(0, at - 1)
          .join("/"),
      );
    guest.write(path, "evil");
  });
  expect(inModule).toEqual([`git may run commands of ${path}`]);
  for (const name of [".git", ".husky", ".githooks"]) {
    const notes = notesOf((guest) => guest.symlink("../evil", `src/${name}`));
    expect(notes).toEqual([`git may run commands of src/${name}`]);
  }
  expect(notesOf((guest) => guest.write("src/.git", "gitdir: ../evil"))).toHaveLength(1);
});

test("nothing about what is not applied, what goes, and what only looks like it", () => {
  const notes = notesOf(
    (guest) => {
      guest.unlink(".git/hooks/pre-commit");
      guest.write(".git/config", "guest");
      guest.write(".git/index", "");
      guest.write("src/config", "");
      guest.write("src/x.envrc", "");
      guest.symlink("../.git/config", "src/inside");
    },
    (folder) => writeFileSync(`${folder}/.git/config`, "host has changed it"),
  );
  expect(notes).toEqual([]);
});
