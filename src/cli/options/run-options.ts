import { flag, optionalValue, section, value } from "../program/types.ts";
import { oneOf, parseText } from "../values/text.ts";
import { confine } from "./confine.ts";
import { machineOptions } from "./machine-options.ts";
import { fromOptions } from "./pack-options.ts";
import { sessionOptions } from "./process-options.ts";
import { pullOptions, pullPolicy } from "./pull-options.ts";

const TIMINGS = ["text", "json"] as const;

/** A file that describes the machine; options win over it. */
export const smolfile = value({
  long: "smolfile",
  short: "s",
  placeholder: "FILE",
  description: "Read what the machine is from a Smolfile; options win",
  hint: { kind: "file" },
  parse: parseText,
});

const { image, platform, ...others } = machineOptions;

export const runOptions = {
  name: value({
    long: "name",
    short: "n",
    placeholder: "NAME",
    description: "Name of the machine (default: vm- and 8 digits; default with -d)",
    parse: parseText,
  }),
  detach: flag({
    long: "detach",
    short: "d",
    description: "Start the machine, leave it running and keep it",
  }),
  smolfile,
  timings: optionalValue({
    long: "timings",
    placeholder: "FORMAT",
    description: "Print on stderr how long each part took, as text or json",
    hint: { kind: "choice", values: TIMINGS },
    parse: oneOf(TIMINGS),
    bare: "text" as const,
  }),
  confine,
  remove: flag({ long: "rm", description: "No effect: without -d the machine is always removed" }),
  // The help lists options of a section in this order: those that are used most come first.
  image,
  platform,
  ...section("Image", fromOptions),
  ...section("Image", { pull: pullPolicy, ...pullOptions }),
  ...section("Command", sessionOptions),
  ...others,
};
