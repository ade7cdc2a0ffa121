import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, test } from 'node:test';
import { rfc3339 } from '../../src/cli/text/time.js';
import { civilOf, instantOf } from '../../src/time/civil.js';
import { zoneProblem } from '../../src/time/zone.js';
import { Playground } from '../cli/varve.js';

const own = process.env.TZ;
after(() => {
  if (own === undefined) delete process.env.TZ;
  else process.env.TZ = own;
});
const gnu = spawnSync('date', ['--version'], { encoding: 'utf8' }).stdout?.includes('GNU');
const noDate = gnu && process.platform === 'linux' ? false : 'there is no GNU date to compare with';

const ZONES = [
  'CET-1CEST,M3.5.0,M10.5.0/3',
  '<+03>-3',
  '<-0330>3:30<-0230>,M3.2.0,M11.1.0',
  'EST5EDT,J60/0,J300/25',
  'NZST-12NZDT,M9.5.0,M4.1.0/3',
  'UTC0',
  ':Europe/Berlin',
  ':/usr/share/zoneinfo/America/New_York',
  '/usr/share/zoneinfo/Asia/Kolkata',
  'Europe/Berlin',
  'America/St_Johns',
  '',
];

/** Years 1970 to 2100, with the hours around changes of the clocks in some zones. */
function instants(): number[] {
  const random = Array.from({ length: 150 }, () => Math.floor(Math.random() * 4_102_444_800));
  const changes = [1_743_296_400, 1_761_440_400, 1_741_503_600, 1_762_066_800, 1_758_981_600];
  return [...random, ...changes.flatMap((each) => [-3600, -1, 0, 1, 1800, 3600, 7200].map((by) => each + by))];
}

test('local times are those of date for every form of TZ', { skip: noDate }, () => {
  for (const tz of ZONES) {
    const seconds = instants();
    const input = seconds.map((each) => `@${each}`).join('\n');
    const shown = execFileSync('date', ['-f', '-', '+%Y-%m-%dT%H:%M:%S%:z'], {
      env: { ...process.env, TZ: tz },
      input,
      encoding: 'utf8',
    });
    process.env.TZ = tz;
    assert.deepEqual(
      seconds.map((each) => rfc3339({ seconds: each, nanoseconds: 0 }).replace(/Z$/, '+00:00')),
      shown.trim().split('\n'),
      tz,
    );
    assert.equal(zoneProblem(), undefined, tz);
  }
});

test('instantOf undoes civilOf except in the hour that clocks show twice', () => {
  for (const tz of ZONES) {
    process.env.TZ = tz;
    for (const seconds of instants()) {
      const back = instantOf(civilOf({ seconds, nanoseconds: 0 }));
      assert.ok(back === seconds || Math.abs(back - seconds) === 3600, `${tz}: ${seconds} ${back}`);
    }
  }
});

test('zoneProblem names a TZ that is none', () => {
  for (const tz of ['Europe/Berlni', 'Nonsense', 'CET-1CEST,nonsense', '<+03', ':/none', '+03:00'])
    assert.equal(zoneProblem(tz), `TZ="${tz}" is no time zone: times are taken and shown in UTC`);
});

test('varve shows the times that date shows and refuses to forget by a TZ that is none', async () => {
  const playground = new Playground();
  await playground.ok(['init']);
  await playground.ok(['backup', playground.files('source', { a: 'a' }), '--time', '2026-07-01 12:00:00']);
  const TZ = 'CET-1CEST,M3.5.0,M10.5.0/3';
  assert.match((await playground.ok(['snapshots'], { env: { TZ } })).out, /2026-07-01 14:00:00/);
  const forget = ['forget', '--keep-daily', '1', '--dry-run'];
  await playground.ok(forget, { env: { TZ } });
  const refused = await playground.run(forget, { env: { TZ: 'Europe/Berlni' } });
  assert.equal(refused.code, 1);
  assert.match(refused.err, /Fatal: TZ="Europe\/Berlni" is no time zone/);
  const { err } = await playground.ok(['snapshots'], { env: { TZ: 'Europe/Berlni' } });
  assert.match(err, /^Warning: TZ="Europe\/Berlni" is no time zone: times are taken and shown in UTC\n$/);
});
