import { fidelityRounds } from './rounds.js';

/** Run as a child with the ids of a normal user: `as-user.js DIRECTORY RUNS LONG`. */
const [directory = '', runs = '', isLong = ''] = process.argv.slice(2);
await fidelityRounds(directory, Number(runs), isLong === 'true');
