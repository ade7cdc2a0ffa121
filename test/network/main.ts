import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Figures, networkRun, total } from './run.js';
import { MISSING, WAYS } from './ways.js';

/** Backups, restores and prunes by networks that fail: `node build/test/network/main.js serve s3 sftp rclone --faults 500 --seed 1`. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    faults: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

for (const kind of positionals.length > 0 ? positionals : Object.keys(WAYS)) {
  const start = WAYS[kind];
  if (start === undefined) throw new Error(`${kind}: none of ${Object.keys(WAYS).join(', ')}`);
  if (MISSING[kind] !== false) {
    console.log(`${kind}: left out: ${MISSING[kind]}`);
    continue;
  }
  console.log(`${kind}: seed ${values.seed}`);
  const directory = mkdtempSync(join(tmpdir(), 'varve-network-'));
  const way = await start(Number(values.seed));
  try {
    console.log(`${kind}: ${inWords(await networkRun(way, { directory, faults: Number(values.faults) }))}`);
  } finally {
    await way.stop();
    rmSync(directory, { recursive: true });
  }
}

function inWords({ faults, rounds, requests, failed, seconds, packs, snapshots }: Figures): string {
  const kinds = [...faults].map(([fault, count]) => `${count} ${fault}`).join(', ');
  return `${total(faults)} faults (${kinds}) in ${rounds} rounds and ${Math.round(seconds)} s; ${failed} of ${requests} requests failed and were tried again; ${snapshots} snapshots and ${packs} packs are whole`;
}
