/** All of the API but its own description. */
import type { Route } from "../http/route.ts";
import { execRoutes } from "./exec.ts";
import { fileRoutes } from "./files.ts";
import { imageRoutes } from "./images.ts";
import { logRoutes } from "./logs.ts";
import { machineRoutes } from "./machines.ts";
import { ownerRoutes } from "./owners.ts";
import { programRoutes } from "./programs.ts";
import { systemRoutes } from "./system.ts";
import { volumeRoutes } from "./volumes.ts";
import { workspaceRoutes } from "./workspaces.ts";

export const routes: readonly Route[] = [
  ...systemRoutes,
  ...machineRoutes,
  ...execRoutes,
  ...fileRoutes,
  ...logRoutes,
  ...imageRoutes,
  ...volumeRoutes,
  ...workspaceRoutes,
  ...programRoutes,
  ...ownerRoutes,
];
