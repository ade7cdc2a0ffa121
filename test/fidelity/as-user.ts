import { fidelityRounds } from './rounds.js';

/** Run as a child with the ids of a normal user: `as-user.js FOLDER RUNS LONG`. */
const [folder = '', runs = '', isLong = ''] = process.argv.slice(2);
await fidelityRounds(folder, Number(runs), isLong === 'true');
