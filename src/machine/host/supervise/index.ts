/** What keeps a machine going, or ends it, while nobody looks: decisions and timers. It starts and ends nothing itself. */
export { type Cancel, type Clock, hostClock, setAlarm } from "./clock.ts";
export { type CheckResult, HealthMonitor, type HealthOptions } from "./health.ts";
export { Heartbeat, type HeartbeatOptions } from "./heartbeat.ts";
export { Lifetime, type LifetimeOptions } from "./lifetime.ts";
export {
  decideRestart,
  describeEnding,
  type Ending,
  type RestartDecision,
  type RestartHistory,
  startsWithHost,
  WELL_MS,
} from "./restart.ts";
export { Restarter, type RestarterOptions } from "./restarter.ts";
