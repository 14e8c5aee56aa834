/** What all processes of a user on this host share: which boot it is, and files that they lock for each other. */
export { bootId } from "./boot.ts";
export { tryForAMoment, untilLocked } from "./lock.ts";
