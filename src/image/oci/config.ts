import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import { printable } from "../tree/index.ts";
import type { ImageConfig } from "../types.ts";
import { configSchema, parseDocument } from "./schema.ts";

/** execve(2) refuses more than 2 MiB of arguments and environment, and a quarter of the stack; half is room enough. */
const MAX_ARGUMENT_BYTES = 1024 * 1024;
/** MAX_ARG_STRLEN: the longest single argument. */
const MAX_STRING = 128 * 1024;
const MAX_LABEL_BYTES = 4 * 1024 * 1024;

export interface ParsedConfig {
  readonly config: ImageConfig;
  readonly diffIds: readonly string[];
  readonly platform: {
    os?: string | undefined;
    architecture?: string | undefined;
    variant?: string | undefined;
  };
}

/**
 * Reads the configuration of an image. Every value is the word of a stranger: strings that could not be passed to
 * the kernel are refused, paths are made absolute and free of `..`, and nothing in it is ever run on the host.
 *
 * @throws SmolError `image.bad_manifest`
 */
export function parseConfig(text: string): ParsedConfig {
  const parsed = parseDocument(text, configSchema, "the image's configuration");
  const config = parsed.config ?? {};
  const result: ImageConfig = {
    entrypoint: words(config.Entrypoint),
    cmd: words(config.Cmd),
    // An entry without a value sets nothing.
    env: (config.Env ?? []).filter((entry) => entry.indexOf("=") > 0),
    workdir: absolute(config.WorkingDir ?? ""),
    user: config.User ?? "",
    labels: config.Labels ?? {},
    volumes: volumes(Object.keys(config.Volumes ?? {})),
    stopSignal: config.StopSignal || undefined,
    ...exposed(Object.keys(config.ExposedPorts ?? {})),
  };
  checkStrings(result);
  return {
    config: result,
    diffIds: parsed.rootfs.diff_ids,
    platform: { os: parsed.os, architecture: parsed.architecture, variant: parsed.variant ?? undefined },
  };
}

/** The configuration of an image that comes without one. */
export const emptyConfig: ImageConfig = {
  entrypoint: [],
  cmd: [],
  env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  workdir: "/",
  user: "",
  labels: {},
  volumes: [],
  stopSignal: undefined,
};

/** Very old images have a single string, which is one word. */
function words(value: string | string[] | null | undefined): string[] {
  if (value === null || value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}

/** A directory inside the image, as chdir(2) after chroot(2) would take it: from the root, `..` stops there. */
function absolute(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** More ports than a network has addresses for are no ports. What is none is left out: nothing depends on it. */
function exposed(declared: readonly string[]): Pick<ImageConfig, "exposedPorts"> {
  const ports = declared.filter((port) => /^\d{1,5}\/(tcp|udp|sctp)$/.test(port)).slice(0, 65_536);
  return ports.length === 0 ? {} : { exposedPorts: ports.sort() };
}

/** @throws SmolError when there are more than a machine could mount. */
function volumes(declared: readonly string[]): string[] {
  if (declared.length > limits.volumes) throw refused(`more than ${limits.volumes} volumes`);
  // The root is no directory that could be missing, or lie on another disk.
  return [...new Set(declared.map(absolute))].filter((path) => path !== "/").sort();
}

function checkStrings(config: ImageConfig): void {
  const passed = [...config.entrypoint, ...config.cmd, ...config.env];
  const { workdir, user, volumes, stopSignal } = config;
  const single = [workdir, user, ...volumes, stopSignal ?? ""];
  for (const text of [...passed, ...single]) {
    if (text.includes("\0")) throw refused(`a NUL byte in ${quoted(text)}`);
    if (Buffer.byteLength(text) >= MAX_STRING) throw refused(`a string of more than ${MAX_STRING} bytes`);
  }
  if ([workdir, ...volumes].some((path) => Buffer.byteLength(path) >= limits.pathBytes)) {
    throw refused(`a working directory or volume of more than ${limits.pathBytes - 1} bytes`);
  }
  if (user.length > 256 || /\s/.test(user)) throw refused(`the user ${quoted(user)}`);
  if (stopSignal !== undefined && !isSignal(stopSignal)) {
    throw refused(`the stop signal ${quoted(stopSignal)}`);
  }
  const bytes = passed.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
  if (bytes > MAX_ARGUMENT_BYTES)
    throw refused(`more than ${MAX_ARGUMENT_BYTES} bytes of arguments and environment`);
  if (Buffer.byteLength(JSON.stringify(config.labels)) > MAX_LABEL_BYTES) throw refused("too many labels");
}

/** signal(7): what Linux has on all architectures that it runs on here, whatever the host's system calls its own. */
const SIGNALS =
  "HUP INT QUIT ILL TRAP ABRT IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CLD CONT STOP TSTP TTIN TTOU " +
  "URG XCPU XFSZ VTALRM PROF WINCH IO POLL PWR SYS RTMIN RTMAX";

/** Whether Docker would take it (moby, pkg/signal): a name with or without `SIG`, a real-time signal, or a number. */
function isSignal(text: string): boolean {
  if (/^\d{1,2}$/.test(text)) return Number(text) >= 1 && Number(text) <= 64;
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realtime = /^(?:RTMIN\+|RTMAX-)(\d{1,2})$/.exec(name)?.[1];
  return realtime === undefined ? SIGNALS.split(" ").includes(name) : Number(realtime) <= 30;
}

const quoted = (text: string) => `"${printable(Buffer.from(text).toString("latin1"))}"`;

const refused = (what: string) =>
  new SmolError("image.bad_manifest", `the image's configuration cannot be used: it has ${what}`);
