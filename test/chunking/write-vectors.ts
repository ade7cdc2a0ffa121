// Writes fixtures/vectors/chunking.json: node build/test/chunking/write-vectors.js. Needed only when cases are added.
import { writeFileSync } from 'node:fs';
import { chunkingVectors } from './vectors.js';

const { cases, ...head } = chunkingVectors();
const lines = cases.map((one) => `    ${JSON.stringify(one)}`).join(',\n');
const text = `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "cases": [\n${lines}\n  ]\n}\n`;
writeFileSync(new URL('../../../fixtures/vectors/chunking.json', import.meta.url), text);
