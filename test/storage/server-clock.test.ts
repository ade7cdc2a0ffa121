import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerClock } from '../../src/storage/transport/server-clock.js';

const DATE = 'Sun, 22 Nov 2026 06:00:00 GMT';
const SECONDS = Date.UTC(2026, 10, 22, 6) / 1000;

test('the clock of the last answer goes on for some seconds, then it has to be asked for again', () => {
  let uptime = 100;
  const clock = new ServerClock(() => uptime);
  assert.equal(clock.seconds, undefined);
  clock.note(DATE);
  assert.equal(clock.seconds, SECONDS);
  uptime += 7.5;
  assert.equal(clock.seconds, SECONDS + 7.5);
  uptime += 3;
  assert.equal(clock.seconds, undefined);
  clock.note(DATE);
  assert.equal(clock.seconds, SECONDS);
});

test('an answer without a date, or with nonsense in its place, tells nothing', () => {
  const clock = new ServerClock(() => 0);
  clock.note(undefined);
  clock.note('yesterday');
  assert.equal(clock.seconds, undefined);
});
