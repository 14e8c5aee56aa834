/** Machines that start with their host: units of systemd's user manager, agents of launchd. */
export {
  type AutostartReport,
  disableAutostart,
  type EnableOptions,
  enableAutostart,
  isAutostarted,
} from "./install.ts";
export { AUTOSTART_VARIABLE } from "./service.ts";
