import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { VarveError } from '../../src/errors/errors.js';
import { Directory } from '../../src/filesystem/directory.js';
import { BackupFilter, type FilterSpec, NO_FILTER, parseSize } from '../../src/filesystem/filter.js';
import { scratchDirectory } from './scratch.js';

const SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55';
const filterOf = (spec: Partial<FilterSpec>, warn?: (message: string) => void) =>
  new BackupFilter(structuredClone({ ...NO_FILTER, ...spec }), warn);

describe('backup filter', () => {
  const base = scratchDirectory();
  const directory = (name: string, files: Record<string, string>) => {
    mkdirSync(join(base, name));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(base, name, file), text);
    return Buffer.from(join(base, name));
  };

  it('rejects by pattern and says why', () => {
    const filter = filterOf({ excludes: ['*.o', '!keep.o'], iexcludes: ['*.TMP', '!a.tmp'] });
    assert.equal(filter.rejectPath(Buffer.from('/x/a.o')), '--exclude=*.o');
    assert.equal(filter.rejectPath(Buffer.from('/x/a.O')), undefined);
    assert.equal(filter.rejectPath(Buffer.from('/x/keep.o')), undefined);
    assert.equal(filter.rejectPath(Buffer.from('/x/b.tmp')), '--iexclude=*.TMP');
    assert.equal(filter.rejectPath(Buffer.from('/x/A.tmp')), undefined);
    assert.equal(filter.filtersPaths, true);
    assert.equal(filterOf({}).filtersPaths, false);
    assert.equal(filterOf({}).rejectPath(Buffer.from('/x/a.o')), undefined);
  });

  it('takes a character for one, whatever it is', () => {
    const filter = filterOf({ excludeRegexes: ['^/.$'] });
    assert.equal(filter.rejectPath(Buffer.from('/\u{1f600}')), '--exclude-regex=^\\/.$');
    assert.equal(filter.rejectPath(Buffer.from('/ab')), undefined);
  });

  it('rejects what is larger than allowed, but never directories', () => {
    const filter = filterOf({ excludeLargerThan: 100 });
    assert.equal(filter.rejectNode('file', 100, 1, 1), undefined);
    assert.equal(filter.rejectNode('file', 101, 1, 1), '--exclude-larger-than=100');
    assert.equal(filter.rejectNode('symlink', 101, 1, 1), '--exclude-larger-than=100');
    assert.equal(filter.rejectNode('directory', 4096, 1, 1), undefined);
    assert.equal(filterOf({ excludeLargerThan: 0 }).rejectNode('file', 1, 1, 1), '--exclude-larger-than=0');
  });

  it('stays on one file system, keeping mount points without their contents', () => {
    const filter = filterOf({ oneFileSystem: true });
    assert.equal(filter.rejectNode('file', 1, 2, 1), '--one-file-system');
    assert.equal(filter.rejectNode('directory', 1, 2, 1), undefined);
    assert.deepEqual(filter.rejectMount(2, 1), { rule: '--one-file-system' });
    assert.equal(filter.rejectMount(1, 1), undefined);
    assert.equal(filterOf({}).rejectNode('file', 1, 2, 1), undefined);
  });

  it('knows caches by the signature in CACHEDIR.TAG', () => {
    const warnings: string[] = [];
    const filter = filterOf({ excludeCaches: true }, (message) => warnings.push(message));
    const contents = (name: string, text: string) =>
      filter.rejectTagged(Directory.unopened(directory(name, { 'CACHEDIR.TAG': text })));
    const rule = { rule: '--exclude-caches', kept: Buffer.from('CACHEDIR.TAG') };
    assert.deepEqual(contents('cache', `${SIGNATURE}\n# anything`), rule);
    assert.deepEqual(contents('bare', SIGNATURE), rule);
    assert.deepEqual(warnings, []);
    assert.equal(contents('short', SIGNATURE.slice(0, -1)), undefined);
    assert.equal(contents('other', `x${SIGNATURE}`), undefined);
    assert.equal(warnings.length, 2);
    assert.equal(filter.rejectTagged(Directory.unopened(directory('plain', {}))), undefined);
    assert.equal(filterOf({}).rejectTagged(Directory.unopened(Buffer.from(join(base, 'cache')))), undefined);
    assert.equal(warnings.length, 2);
  });

  it('does not wait for a tag that is a FIFO', () => {
    const warnings: string[] = [];
    const path = directory('fifo', {});
    execFileSync('mkfifo', [join(base, 'fifo', 'CACHEDIR.TAG')]);
    const filter = filterOf({ excludeCaches: true }, (message) => warnings.push(message));
    assert.equal(filter.rejectTagged(Directory.unopened(path)), undefined);
    assert.equal(warnings.length, 1);
  });

  it('excludes if present, with and without a header', () => {
    const path = directory('tagged', { '.nobackup': 'a:b and more', skip: '' });
    const contents = (...specs: string[]) =>
      filterOf({ excludeIfPresent: specs }).rejectTagged(Directory.unopened(path));
    const kept = Buffer.from('.nobackup');
    assert.deepEqual(contents('.nobackup'), { rule: '--exclude-if-present=.nobackup', kept });
    assert.deepEqual(contents('.nobackup:a:b'), { rule: '--exclude-if-present=.nobackup:a:b', kept });
    assert.deepEqual(contents('.nobackup:'), { rule: '--exclude-if-present=.nobackup:', kept });
    assert.equal(contents('.nobackup:b'), undefined);
    assert.equal(contents('missing'), undefined);
    assert.deepEqual(contents('.nobackup', 'skip'), { rule: '--exclude-if-present=.nobackup' });
    for (const bad of ['', ':x', 'a/b', 'a\0'])
      assert.throws(() => filterOf({ excludeIfPresent: [bad] }), { code: 'usage' }, bad);
  });
});

describe('sizes', () => {
  it('are read as restic reads them', () => {
    const sizes = {
      '0': 0,
      '17': 17,
      '5b': 5,
      '1k': 1024,
      '2K': 2048,
      '100M': 104857600,
      '3g': 3221225472,
      '1T': 2 ** 40,
    };
    for (const [text, size] of Object.entries(sizes)) assert.equal(parseSize(text), size, text);
  });

  it('are refused otherwise', () => {
    for (const bad of ['', 'M', '1.5G', '-1', '1KB', '1 k', '1KiB', '0x10', '99999999999T', '1p'])
      assert.throws(
        () => parseSize(bad),
        (error) => error instanceof VarveError && error.code === 'usage' && error.message.includes(`'${bad}'`),
      );
  });
});
