// The names of this machine and user, for snapshots and keys.
// repository/machine.ts finds them out.
import { hostname } from 'node:os';
import { userName } from '../../repository/machine.js';

/** The name of this machine. */
export const thisHost = hostname;

/** The name of the current user. */
export const thisUser = userName;
