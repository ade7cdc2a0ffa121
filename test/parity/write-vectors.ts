// Writes fixtures/vectors/parity.json: node build/test/parity/write-vectors.js. Needed only when cases are added.
import { writeFileSync } from 'node:fs';
import { parityVectors } from './vectors.js';

const text = `${JSON.stringify(parityVectors(), null, 2)}\n`;
writeFileSync(new URL('../../../fixtures/vectors/parity.json', import.meta.url), text);
