import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { goMode, permissions } from '../../src/cli/snapshots/node-json.js';
import { printable } from '../../src/cli/text/escape.js';
import { parsePastTime } from '../../src/cli/text/past-time.js';
import { Table } from '../../src/cli/text/table.js';
import { exactTime, localTime, parseTimeOption, rfc3339 } from '../../src/cli/text/time.js';
import { formatBytes, formatPercent, formatSeconds } from '../../src/cli/text/units.js';
import { VarveError } from '../../src/errors/errors.js';
import { VERSION } from '../../src/library/version.js';
import { splitWords } from '../../src/storage/transport/words.js';

process.env.TZ = 'Europe/Berlin';

test('the version is that of the package', () => {
  const json = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  assert.equal(VERSION, json.version);
});

test('names are printed so that they can neither move the cursor nor be taken for others', () => {
  assert.equal(printable('/home/anna/ümläut – 日本'), '/home/anna/ümläut – 日本');
  assert.equal(printable('a\nb\t\x1b[2J'), '"a\\nb\\t\\x1b[2J"');
  assert.equal(printable(Buffer.from([0x61, 0xff, 0xfe, 0x62])), '"a\\xff\\xfeb"');
  assert.equal(printable('a\\n'), 'a\\n');
  assert.equal(printable('"\\\n'), '"\\"\\\\\\n"');
  assert.equal(printable('left\u202eright'), '"left\\u202eright"');
  assert.equal(printable(Buffer.from('real \ufffd')), 'real \ufffd');
});

test('bytes, durations and percentages are as restic writes them', () => {
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(1023), '1023 B');
  assert.equal(formatBytes(1536), '1.500 KiB');
  assert.equal(formatBytes(3 * 2 ** 40), '3.000 TiB');
  assert.equal(formatSeconds(59.9), '0:59');
  assert.equal(formatSeconds(3661), '1:01:01');
  assert.equal(formatPercent(1, 3), '33.33%');
  assert.equal(formatPercent(1, 0), '');
});

test('times are in the zone of the machine, with nanoseconds as in Go', () => {
  const winter = { seconds: Date.UTC(2026, 0, 15, 12, 0, 5) / 1000, nanoseconds: 120_000_000 };
  assert.equal(rfc3339(winter), '2026-01-15T13:00:05.12+01:00');
  assert.equal(
    rfc3339({ seconds: Date.UTC(2026, 6, 1) / 1000, nanoseconds: 1 }),
    '2026-07-01T02:00:00.000000001+02:00',
  );
  assert.equal(rfc3339({ seconds: -1, nanoseconds: 0 }), '1970-01-01T00:59:59+01:00');
  assert.equal(localTime(winter), '2026-01-15 13:00:05');
  assert.equal(exactTime(winter), '2026-01-15 13:00:05.12 +0100');
  assert.match(rfc3339({ seconds: 9e15, nanoseconds: 0 }), /^\d{4}-/);
});

test('--time takes local time and RFC 3339', () => {
  const seconds = (text: string) => parseTimeOption(text, '--time').seconds;
  assert.equal(seconds('2026-01-15 13:00:05'), Date.UTC(2026, 0, 15, 12, 0, 5) / 1000);
  assert.equal(seconds('2026-01-15T13:00:05Z'), Date.UTC(2026, 0, 15, 13, 0, 5) / 1000);
  assert.equal(seconds('2026-01-15T13:00:05-05:00'), Date.UTC(2026, 0, 15, 18, 0, 5) / 1000);
  assert.equal(seconds('2026-01-15'), Date.UTC(2026, 0, 14, 23) / 1000);
  assert.equal(parseTimeOption('2026-01-15T13:00:05.000000007Z', '--time').nanoseconds, 7);
  assert.equal(seconds('2026-01-15 13:00'), Date.UTC(2026, 0, 15, 12) / 1000);
  assert.equal(seconds('15.01.2026 13:00:05 -0500'), Date.UTC(2026, 0, 15, 18, 0, 5) / 1000);
  assert.equal(seconds('2028-02-29'), Date.UTC(2028, 1, 28, 23) / 1000);
  for (const wrong of ['', 'yesterday', '2026-13-01', '2026-02-29', '2026-01-15 25:00:00', '15.1.2026', '3d']) {
    assert.throws(() => parseTimeOption(wrong, '--time'), VarveError);
  }
});

test('a time in the past may be how long ago it was', () => {
  const now = Date.UTC(2026, 0, 15, 12, 0, 5);
  const seconds = (text: string) => parsePastTime(text, '--time', now).seconds;
  assert.equal(seconds('3D'), now / 1000 - 3 * 86_400);
  assert.equal(seconds('36h'), now / 1000 - 36 * 3600);
  assert.equal(seconds('2026-01-15 13:00'), Date.UTC(2026, 0, 15, 12) / 1000);
  assert.throws(() => seconds('3x'), /^VarveError: --time: "3x" is not a duration/);
  assert.throws(() => seconds('soon'), /^VarveError: --time: "soon" is not a time: .* 2026-01-31 /);
});

test('modes are those of Go', () => {
  // Taken from `restic ls --json`.
  assert.equal(goMode('directory', 0o755), 2147484141);
  assert.equal(goMode('symlink', 0o777), 134218239);
  assert.equal(goMode('file', 0o644), 420);
  assert.equal(goMode('directory', 0o1777), 2148532735);
  assert.equal(permissions('directory', 0o1777), 'dtrwxrwxrwx');
  assert.equal(permissions('symlink', 0o777), 'Lrwxrwxrwx');
  assert.equal(permissions('file', 0o4755), 'urwxr-xr-x');
  assert.equal(permissions('character', 0o620), 'Dcrw--w----');
  assert.equal(permissions('file', 0o640), '-rw-r-----');
});

test('a command is split as a shell does', () => {
  assert.deepEqual(splitWords(`pass show "my backup" 'a b'\\ c ""`, 'x'), ['pass', 'show', 'my backup', 'a b c', '']);
  assert.deepEqual(splitWords('  ', 'x'), []);
  assert.throws(() => splitWords('echo "a', 'x'), VarveError);
});

test('a table has a line for each line of its highest cell', () => {
  const table = new Table(['ID', 'Tags', 'Size'], [2]);
  table.add('1', ['a', 'bcd'], '5 B');
  table.add('22', '', '10 B');
  assert.deepEqual(table.lines('2 rows'), [
    'ID  Tags  Size',
    '--------------',
    '1   a      5 B',
    '    bcd',
    '22        10 B',
    '--------------',
    '2 rows',
  ]);
});
