import { describe, expect } from "bun:test";
import { testImages } from "./support/images.ts";
import { onQemu, useHome } from "./support/register.ts";

/** The image of a machine that lasts stays as long as the machine does, whether that runs or not. */

const home = useHome();
const images = await testImages();

/** A script with directories of its own: its cache is pruned. What it started is ended with it. */
async function script(lines: readonly string[]): Promise<string[]> {
  const { output } = await home.shell(
    `export SMOLVM_DATA_DIR=$PWD/own
     trap '$SMOLVM machine delete --force web >/dev/null 2>&1; $SMOLVM machine delete --force copy >/dev/null 2>&1; rm -rf own' EXIT
     { ${lines.join("\n")}
     } 2>&1`,
    { seconds: 150 },
  );
  return output
    .replaceAll(/sha256:[0-9a-f]{64}|\b[0-9a-f]{12}\b/g, "ID")
    .trimEnd()
    .split("\n");
}

const quiet = ">/dev/null 2>&1 || echo failed";

describe("the image of a machine", () => {
  onQemu(
    "stays while the machine runs, and while it does not; it goes with the last machine",
    async () => {
      const lines = await script([
        `$SMOLVM machine create --image ${images.archive} --cpus 1 --mem 512 web -- sleep 100000 ${quiet}`,
        `$SMOLVM machine start web ${quiet}`,
        "$SMOLVM machine prune --all --name web; echo code $?",
        `$SMOLVM machine exec --user 0 web -- sh -c 'echo mine > /root/f' ${quiet}`,
        `$SMOLVM machine stop web ${quiet}`,
        "$SMOLVM images rm $($SMOLVM images ls -q); echo code $?",
        "$SMOLVM images prune --all",
        "$SMOLVM machine prune --all --name web",
        "$SMOLVM images ls --json | tr -d ' \\n' | grep -o '\"machines\":[^]]*]'",
        `$SMOLVM machine clone --quiet web copy ${quiet}`,
        `$SMOLVM machine delete --force web ${quiet}`,
        "$SMOLVM images prune --all",
        `$SMOLVM machine start copy ${quiet}`,
        "$SMOLVM machine exec --user 0 copy -- cat /root/f /srv/work/here",
        `$SMOLVM machine delete --force copy ${quiet}`,
        "$SMOLVM images prune --all | sed 's/Freed.*/Freed/'",
      ]);
      expect(lines).toEqual([
        "error: cannot prune --all while machine 'web' is running. Stop it first with: smolvm machine stop --name web",
        "code 1",
        "error: image ID is used by machine 'web' and was not removed",
        "hint: `smolvm machine ls -v` shows the machines: an image can go when none is made of it",
        "code 1",
        "Kept, because it is used by machine 'web': ID",
        "No unused images to remove.",
        "Kept 1 cached image(s) in use by machine 'web'; freed 0 B",
        '"machines":["web"]',
        "Kept, because it is used by machine 'copy': ID",
        "No unused images to remove.",
        "mine",
        "the image's file",
        "Deleted: ID",
        "Freed",
      ]);
    },
    180,
  );

  onQemu(
    "that is built in stays too, when another version of the program has another one",
    async () => {
      const lines = await script([
        `$SMOLVM machine create --cpus 1 --mem 512 web ${quiet}`,
        `$SMOLVM machine start web ${quiet}`,
        `$SMOLVM machine exec web -- sh -c 'chmod 700 /etc/motd; echo mine > /root/f' ${quiet}`,
        `$SMOLVM machine stop web ${quiet}`,
        // As if the other version had removed all that nobody needs: what is pinned is what a record needs.
        'for d in own/cache/runtime/*; do [ -n "$(find $d/pins -type l 2>/dev/null)" ] && ls $d/*.erofs | xargs basename; done',
        `$SMOLVM machine start web ${quiet}`,
        "$SMOLVM machine exec web -- cat /root/f",
      ]);
      expect(lines).toEqual(["base.erofs", "mine"]);
    },
    120,
  );
});
