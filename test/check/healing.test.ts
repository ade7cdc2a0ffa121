import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { Finding } from '../../src/check/findings.js';
import { scrub } from '../../src/check/scrub.js';
import { ALL } from '../../src/check/subset.js';
import { type ParityLayout, parityLayout } from '../../src/parity/layout.js';
import { objectName } from '../../src/repository/repository.js';
import { objectPath } from '../../src/storage/store.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { piecesOf } from '../parity/pieces.js';
import { WHOLE } from '../whole.js';
import { DamageableRepository, foreignObjects, KINDS, type Kind } from './damageable-repository.js';
import { Chance, damage } from './damages.js';

/** `npm run test:damage` sets it. */
const CASES = Number(process.env.VARVE_DAMAGE_CASES || (WHOLE ? 14 : 7));
const SEED = Number(process.env.VARVE_DAMAGE_SEED || 0);
const PARITY = 5;

const scratch = scratchDirectory();
let damageable: DamageableRepository;
let foreign: Readonly<Record<Kind, Buffer>>;

before(async () => {
  damageable = await DamageableRepository.create(join(scratch, 'damageable'), PARITY);
  foreign = await foreignObjects(join(scratch, 'foreign'));
});

/** Damages bytes within what the parity covers, and says how. */
type Way = (bytes: Buffer, layout: ParityLayout, chance: Chance) => Buffer;

function inPieces(change: (bytes: Buffer, start: number, end: number, chance: Chance) => void): Way {
  return (bytes, layout, chance) => {
    const pieces = piecesOf(layout);
    const count = 1 + chance.below(layout.parityShards);
    for (let number = 0; number < count; number++) {
      const [piece] = pieces.splice(chance.below(pieces.length), 1);
      if (piece !== undefined) change(bytes, piece.start, piece.end, chance);
    }
    return bytes;
  };
}

const WAYS: Readonly<Record<string, Way>> = {
  'bits flipped': inPieces((bytes, start, end, chance) => {
    for (let flips = 1 + chance.below(20); flips > 0; flips--) {
      const at = start + chance.below(end - start);
      bytes[at] = (bytes[at] as number) ^ (1 << chance.below(8));
    }
  }),
  'shards zeroed': inPieces((bytes, start, end) => bytes.fill(0, start, end)),
  'shards of other bytes': inPieces((bytes, start, end, chance) =>
    bytes.fill(`other ${chance.below(1e6)}`, start, end),
  ),
  'a run zeroed': (bytes, layout, chance) => {
    const length = 1 + chance.below((layout.parityShards - 1) * layout.shard);
    const start = chance.below(bytes.length);
    return bytes.fill(0, start, Math.min(start + length, bytes.length));
  },
  'footer lost': (bytes) => bytes.fill(0xff, bytes.length - 92),
  'cut off': (bytes, layout, chance) => {
    const most = (layout.parityShards - 1) * (layout.shard + layout.description) + layout.description + 92;
    return bytes.subarray(0, bytes.length - 1 - chance.below(most));
  },
  grown: (bytes, _layout, chance) => Buffer.concat([bytes, Buffer.alloc(1 + chance.below(10_000), 'more')]),
};

for (let number = SEED; number < SEED + CASES; number++) {
  test(`parity heals damage ${number} within its budget`, { timeout: 60_000 }, async (t) => {
    const chance = new Chance(`healing ${number}`);
    const kind = chance.of<Kind>(['data', 'tree']);
    const how = Object.keys(WAYS)[number % Object.keys(WAYS).length] as string;
    const names = [chance.of(damageable.objects[kind])];
    if (chance.below(4) === 0) names.push(...damageable.objects[kind].filter((each) => each !== names[0]).slice(0, 1));
    t.diagnostic(`${names.length} ${kind} ${how}`);
    const { beneath } = damageable;
    const originals = await Promise.all(names.map((name) => beneath.get('data', name)));
    for (const [at, name] of names.entries()) {
      const original = originals[at] as Buffer;
      const layout = parityLayout(original.length, PARITY) as ParityLayout;
      await beneath.plant('data', name, (WAYS[how] as Way)(Buffer.from(original), layout, chance));
    }
    const objects = names.map((name) => objectPath('data', name)).sort();
    const told = await damageable.check({ readData: ALL });
    assert.deepEqual(told.findings.map(({ object }) => object).sort(), objects);
    assert.ok(told.findings.every(({ healable, advice }) => healable && advice.includes('check --repair')));
    // With and without keys.
    const { store } = damageable.sandbox;
    const result =
      number % 2 === 0 ? await damageable.check({ repair: true }) : await scrub(store, { repair: true, threads: 1 });
    assert.deepEqual(result.findings, []);
    assert.deepEqual(result.healed.map(({ name }) => name).sort(), [...names].sort());
    for (const [at, name] of names.entries())
      assert.ok((await beneath.get('data', name)).equals(originals[at] as Buffer), 'byte for byte');
  });

  test(`parity heals or leaves damage ${number}`, { timeout: 60_000 }, async (t) => {
    const kind = number % 2 === 0 ? 'data' : 'tree';
    const done = await damage(damageable, foreign, number * KINDS.length + KINDS.indexOf(kind));
    t.diagnostic(`${done.kind} ${done.way}`);
    const stored = (): Promise<(Buffer | undefined)[]> =>
      Promise.all(done.names.map((name) => damageable.beneath.find('data', name)));
    const damaged = await stored();
    try {
      const found = await damageable.check({ readData: ALL });
      const { healed, findings } = await damageable.check({ repair: true, readData: ALL });
      const beyond = found.findings.filter(({ healable }) => !healable);
      assert.deepEqual(described(findings), described(beyond));
      assert.equal(healed.length, found.findings.length - beyond.length);
      if (done.way === 'flipped') assert.equal(healed.length, 1);
      // A pack that is healed has its name's hash; of the others nothing is changed.
      for (const [at, bytes] of (await stored()).entries()) {
        const name = done.names[at] as string;
        if (healed.some((each) => each.name === name)) assert.equal(objectName(bytes as Buffer), name);
        else assert.deepEqual(bytes, damaged[at]);
      }
    } finally {
      await done.heal();
    }
  });
}

/** All that is told of what is wrong, in order of the objects. */
function described(findings: readonly Finding[]): unknown {
  return findings
    .map(({ message, advice, snapshots, files }) => ({
      message,
      advice,
      snapshots: [...snapshots].sort(),
      files: files.map(String).sort(),
    }))
    .sort((a, b) => (a.message < b.message ? -1 : 1));
}
