import assert from 'node:assert/strict';
import { join, sep } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isDirectoryName, parseTarget, targetPath } from '../../src/serve/target.js';
import { TRAVERSALS } from './traversals.js';

const NAME = 'a'.repeat(64);

test('parseTarget parses a path when the protocol has it', () => {
  assert.deepEqual(parseTarget('/'), { kind: 'repository', repository: [] });
  assert.deepEqual(parseTarget('/anna/laptop/'), { kind: 'repository', repository: ['anna', 'laptop'] });
  assert.deepEqual(parseTarget('/J%C3%BCrgen%20M./'), { kind: 'repository', repository: ['Jürgen M.'] });
  assert.equal(parseTarget('/J%C3%BCrgen%20/'), undefined);
  assert.deepEqual(parseTarget('/anna/config'), {
    kind: 'object',
    repository: ['anna'],
    type: 'config',
    name: 'config',
  });
  assert.deepEqual(parseTarget('/locks/'), { kind: 'list', repository: [], type: 'locks' });
  assert.deepEqual(parseTarget(`/a/data/${NAME}`), { kind: 'object', repository: ['a'], type: 'data', name: NAME });
  assert.deepEqual(parseTarget('/metrics'), { kind: 'metrics' });
  assert.deepEqual(parseTarget('/metrics/'), { kind: 'repository', repository: ['metrics'] });
});

test('parseTarget returns undefined when a path leads elsewhere or is not valid', () => {
  for (const path of TRAVERSALS) assert.equal(parseTarget(path), undefined, path);
});

test('parseTarget stays in the directory and targetPath gives the path back when the path is random', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '..',
      '.',
      '',
      '%2e',
      '%2f',
      '%5c',
      '/',
      '\\',
      'data',
      'config',
      'keys',
      NAME,
      '%00',
      '~',
      ' ',
      '%20',
    ),
    fc.string({ unit: 'grapheme', maxLength: 5 }),
    fc.string({ unit: 'binary', maxLength: 5 }).map((text) => {
      try {
        return encodeURIComponent(text);
      } catch {
        return text;
      }
    }),
  );
  const path = fc
    .array(piece, { maxLength: 8 })
    .chain((pieces) => fc.constantFrom(`/${pieces.join('/')}`, `/${pieces.join('')}`));
  fc.assert(
    fc.property(path, (text) => {
      const target = parseTarget(text);
      if (target === undefined || target.kind === 'metrics') return;
      const root = '/srv/backup';
      const directory = join(root, ...target.repository);
      assert.ok(directory === root || directory.startsWith(root + sep), directory);
      assert.equal(directory.split(sep).length, 3 + target.repository.length);
      for (const name of target.repository) assert.ok(isDirectoryName(name) && !/[\p{Cc}/\\]/u.test(name));
      assert.deepEqual(parseTarget(encodeURI(`/${targetPath(target)}`)), target);
    }),
    { numRuns: 5000 },
  );
});
