import { print } from "../../output.ts";
import { command } from "../../program/command.ts";

export const licences = command({
  path: ["licences"],
  aliases: ["licenses"],
  kind: "meta",
  summary: "Print the licences of everything in this program",
  options: {},
  text: `Prints the licence and copyright texts of smolvm and of everything that this program carries: the
kernel, the guest's system, the built-in image, libraries and the runtime. They are long:
give them to a pager or a file.`,
  examples: [{ command: "smolvm licences | less" }, { command: "smolvm licences > LICENCES.txt" }],
  /** A reader that has seen enough (`| head`, a pager that is left) is no error. */
  run: async () => {
    const { licenceTexts } = await import("../../../assets/index.ts");
    const texts = await licenceTexts();
    await print(texts.endsWith("\n") ? texts : `${texts}\n`);
    return 0;
  },
});
