/** `node build/test/crypto/write-vectors.js` writes fixtures/vectors/crypto.json: only ever for a new format version. */
import { writeFileSync } from 'node:fs';
import { portableEngine } from './portable.js';
import { buildVectors } from './vectors.js';

const path = 'fixtures/vectors/crypto.json';
writeFileSync(path, `${JSON.stringify(await buildVectors(portableEngine), null, 1)}\n`);
