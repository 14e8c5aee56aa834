import type { CommandSpec } from "../../program/types.ts";
import { imagesPrune } from "../images/prune.ts";

/** What packs were unpacked to is in the image cache. */
export const packPrune: CommandSpec<typeof imagesPrune.options> = {
  ...imagesPrune,
  path: ["pack", "prune"],
  summary: "The same as images prune: packs are unpacked to the image cache",
};
