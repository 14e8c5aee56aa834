import type { Method } from "../child.ts";
import { callApi } from "./api.ts";
import { copyIn, copyOut } from "./copy.ts";
import { passOn, runProcess } from "./exec.ts";
import { checkHost } from "./host.ts";
import { pull } from "./images.ts";
import { logs } from "./logs.ts";
import { create, locate, release, start } from "./machines.ts";

/** What a client may ask: docs/sdk-protocol.md. */
export const methods: Readonly<Record<string, Method>> = {
  api: callApi,
  create,
  start,
  release,
  locate,
  exec: runProcess,
  machine: passOn,
  copyIn,
  copyOut,
  logs,
  pull,
  checkHost,
};
