import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { scratchDirectory } from '../backup/sandbox.js';
import { networkRun, total } from './run.js';
import { MISSING, WAYS } from './ways.js';

/** `npm run test:network` has more. */
const FAULTS = Number(process.env.VARVE_NETWORK_FAULTS ?? 20);
const SEED = 5;

const scratch = scratchDirectory();

// Most of the time is waiting, so the kinds wait side by side.
describe('commands over an unreliable network', { concurrency: true }, () => {
  for (const [kind, start] of Object.entries(WAYS)) {
    test(`${kind}: backups, restores and prunes lose, double and leave nothing when the network fails again and again`, {
      skip: MISSING[kind] ?? false,
    }, async () => {
      const way = await start(SEED);
      try {
        const { faults, packs, failed } = await networkRun(way, { directory: join(scratch, kind), faults: FAULTS });
        assert.ok(total(faults) >= FAULTS);
        assert.ok(packs > 0 && failed > 0);
      } finally {
        await way.stop();
      }
    });
  }
});
