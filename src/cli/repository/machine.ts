import { hostname } from 'node:os';
import { userName } from '../../repository/machine.js';

/** The name of this machine. */
export const thisHost = hostname;

/** The name of who runs this. */
export const thisUser = userName;
