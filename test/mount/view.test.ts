import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { snapshotView, type ViewDirectory, type ViewEntry } from '../../src/mount/view/snapshot-view.js';
import { checkTemplate, DEFAULT_PATHS, DEFAULT_TIME, viewPathsOf } from '../../src/mount/view/templates.js';
import { formatTime } from '../../src/mount/view/time-format.js';
import type { StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';

process.env.TZ = 'Asia/Kolkata';
/** Saturday, 7 March 2026, 14:05:09.0704 in India. */
const SECONDS = Date.UTC(2026, 2, 7, 8, 35, 9) / 1000;
const NANOSECONDS = 70_400_000;

let number = 0;

function snapshot(more: Partial<StoredSnapshot['snapshot']> = {}): StoredSnapshot {
  const id = (++number).toString(16).padStart(8, '0').padEnd(64, 'f');
  const fields = {
    time: { seconds: SECONDS, nanoseconds: NANOSECONDS },
    host: 'web1',
    user: 'anna',
    tags: [],
    paths: [Buffer.from('/home/anna')],
    ...more,
  };
  return { id, slot: '', label: '', snapshot: fields } as unknown as StoredSnapshot;
}

/** The names in a view, with the targets of links. */
function listed(directory: ViewDirectory, before = ''): string[] {
  return [...directory.children].flatMap(([name, entry]: [string, ViewEntry]) => {
    const path = `${before}${name}`;
    if (entry.kind === 'directory') return [`${path}/`, ...listed(entry, `${path}/`)];
    return entry.kind === 'link' ? [`${path} -> ${entry.target}`] : [path];
  });
}

describe('formatTime', () => {
  const cases: [string, string][] = [
    [DEFAULT_TIME, '2026-03-07T14:05:09+05:30'],
    ['2006-01-02_15-04-05', '2026-03-07_14-05-09'],
    ['Mon Jan 2 15:04:05 -0700 2006', 'Sat Mar 7 14:05:09 +0530 2026'],
    ['Monday, 02-Jan-06 15:04:05', 'Saturday, 07-Mar-26 14:05:09'],
    ['January _2 3:04PM 03:4:5pm', 'March  7 2:05PM 02:5:9pm'],
    ['2006/002 __2', '2026/066  66'],
    ['15:04:05.000 .999999 ,00', '14:05:09.070 .0704 ,07'],
    ['Z0700 -07 Z07:00:00 -07:00', '+0530 +05 +05:30:00 +05:30'],
    ['20060102T150405', '20260307T140509'],
  ];
  for (const [pattern, expected] of cases)
    it(pattern, () => assert.equal(formatTime(pattern, SECONDS, NANOSECONDS), expected));

  it('writes Z when the pattern has Z and the zone is UTC', () => {
    process.env.TZ = 'UTC';
    assert.equal(formatTime(DEFAULT_TIME, SECONDS, NANOSECONDS), '2026-03-07T08:35:09Z');
    process.env.TZ = 'Asia/Kolkata';
  });
});

describe('viewPathsOf', () => {
  const paths = (template: string, stored: StoredSnapshot): string[] =>
    viewPathsOf(template, '2006', stored).map(({ directories, name }) => [...directories, name].join('/'));

  it('replaces the letters of a template', () => {
    const stored = snapshot();
    const { id } = stored;
    assert.deepEqual(paths('%i/%I/%u/%h/%T/%%/%x', stored), [`${id.slice(0, 8)}/${id}/anna/web1/2026/%/x`]);
    assert.deepEqual(paths('p/%p', stored), ['p/home_anna']);
  });

  it('returns a path for each tag, and none when there is no tag', () => {
    assert.deepEqual(paths('%t/%T', snapshot({ tags: ['b', 'a/b', '..', ''] })), [
      'b/2026',
      'a_b/2026',
      '__/2026',
      '_/2026',
    ]);
    assert.deepEqual(paths('%t/%T', snapshot()), []);
  });

  it('returns only paths inside with valid names when values are hostile', () => {
    assert.deepEqual(paths('../%T', snapshot()), []);
    assert.deepEqual(paths('%h', snapshot({ host: '../../etc' })), ['.._.._etc']);
    assert.deepEqual(paths('%h', snapshot({ host: 'n'.repeat(300) })), ['n'.repeat(255)]);
    assert.deepEqual(paths('%p', snapshot({ paths: [Buffer.from('/')] })), ['_']);
    for (const template of ['', '/', '//']) assert.throws(() => checkTemplate(template), /names no directory/);
  });
});

describe('snapshotView', () => {
  it('shows snapshots by id, time, host, tag and path, with a link to the latest', () => {
    const [first, second] = [
      snapshot({ tags: ['nightly'] }),
      snapshot({ time: { seconds: SECONDS + 60, nanoseconds: 0 }, host: 'web2' }),
    ];
    const view = snapshotView([first, second], DEFAULT_PATHS, '15-04');
    assert.deepEqual(listed(view), [
      'ids/',
      `ids/${first.id.slice(0, 8)}`,
      `ids/${second.id.slice(0, 8)}`,
      'snapshots/',
      'snapshots/14-05',
      'snapshots/14-06',
      'snapshots/latest -> 14-06',
      'hosts/',
      'hosts/web1/',
      'hosts/web1/14-05',
      'hosts/web1/latest -> 14-05',
      'hosts/web2/',
      'hosts/web2/14-06',
      'hosts/web2/latest -> 14-06',
      'tags/',
      'tags/nightly/',
      'tags/nightly/14-05',
      'tags/nightly/latest -> 14-05',
      'paths/',
      'paths/home_anna/',
      'paths/home_anna/14-05',
      'paths/home_anna/14-06',
      'paths/home_anna/latest -> 14-06',
    ]);
  });

  it('makes the fixed directories when there are no snapshots', () => {
    assert.deepEqual(listed(snapshotView([], DEFAULT_PATHS, DEFAULT_TIME)), [
      'ids/',
      'snapshots/',
      'hosts/',
      'tags/',
      'paths/',
    ]);
  });

  it('numbers snapshots in order of creation when their times are equal', () => {
    const view = snapshotView([snapshot(), snapshot(), snapshot()], ['%T'], '15-04');
    assert.deepEqual(listed(view), ['14-05', '14-05-1', '14-05-2', 'latest -> 14-05-2']);
  });

  it('gives another name when a directory and a snapshot have the same one', () => {
    const view = snapshotView([snapshot()], ['a', 'a/b/%h', 'a-1/b/%h'], '15');
    assert.deepEqual(listed(view), ['a', 'a-1/', 'a-1/b/', 'a-1/b/web1', 'a-1/b/web1-1']);
  });
});
