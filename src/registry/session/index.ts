/** The conversation with one server about one repository: where it is, who we are there, when to try again. */
export { type Endpoint, endpointsOf } from "./endpoint.ts";
export { Patience } from "./patience.ts";
export { refusal } from "./refusal.ts";
export { Session, type SessionRequest } from "./session.ts";
