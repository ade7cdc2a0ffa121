import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerClock } from '../../src/storage/transport/server-clock.js';

const DATE = 'Sun, 22 Nov 2026 06:00:00 GMT';
const SECONDS = Date.UTC(2026, 10, 22, 6) / 1000;

test('ServerClock advances for some seconds after an answer, then needs another', () => {
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

test('ServerClock ignores a missing or invalid date', () => {
  const clock = new ServerClock(() => 0);
  clock.note(undefined);
  clock.note('yesterday');
  assert.equal(clock.seconds, undefined);
});
