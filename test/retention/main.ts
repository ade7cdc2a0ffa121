import { parseArgs } from 'node:util';
import { compareWithRestic } from './differential.js';
import { ResticRepository, resticVersion } from './restic-repository.js';

/** Compares policies with restic's: `node build/test/retention/main.js --policies 1000 --seed 1`. */
const { values } = parseArgs({
  options: {
    policies: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

const version = resticVersion();
if (version === undefined) throw new Error('restic is not installed');
console.log(`${version}, seed ${values.seed}`);
const repository = new ResticRepository();
try {
  console.log(compareWithRestic(repository, Number(values.policies), Number(values.seed)));
} finally {
  repository.remove();
}
