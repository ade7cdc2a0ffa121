import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import {
  expandGlob,
  readFilesFrom,
  readFilesFromRaw,
  readFilesFromVerbatim,
  readPatternFile,
} from '../../src/filesystem/files-from.js';
import { parsePatterns } from '../../src/filesystem/patterns.js';
import { scratchDirectory } from './scratch.js';

describe('lists of files', () => {
  const base = scratchDirectory();
  const list = join(base, 'list');
  const odd = Buffer.concat([Buffer.from(`${base}/d1/`), Buffer.from([0x6e, 0xff, 0x6f])]);
  const inBase = (...names: string[]) => names.map((name) => `${base}/${name}`);
  const texts = (paths: Buffer[]) => paths.map((path) => path.toString('latin1'));

  before(() => {
    for (const name of ['d1', 'd2', 'd2/deep']) mkdirSync(join(base, name));
    for (const name of ['d1/a.txt', 'd1/.hidden', 'd2/a.txt', 'd2/b.txt', 'd2/deep/a.txt', 'st*r', ' spaced ', '#name'])
      writeFileSync(join(base, name), '');
    writeFileSync(odd, '');
    symlinkSync('nowhere', join(base, 'd2', 'dangling'));
  });

  it('expand globs as filepath.Glob does', () => {
    const expand = (pattern: string) => texts(expandGlob(`${base}/${pattern}`));
    assert.deepEqual(expand('d*/a.txt'), inBase('d1/a.txt', 'd2/a.txt'));
    assert.deepEqual(expand('d[2-9]/*.txt'), inBase('d2/a.txt', 'd2/b.txt'));
    assert.deepEqual(expand('d1/*'), [...inBase('d1/.hidden', 'd1/a.txt'), odd.toString('latin1')]);
    assert.deepEqual(expand('d1/n?o'), [odd.toString('latin1')]);
    assert.deepEqual(expand('d2/dang*'), inBase('d2/dangling'));
    assert.deepEqual(expand('*/*/a.txt'), inBase('d2/deep/a.txt'));
    assert.deepEqual(expand('st\\*r'), inBase('st*r'));
    assert.deepEqual(expand('d1/a.txt/*'), []);
    assert.deepEqual(expand('missing'), []);
    assert.ok(texts(expandGlob('/et?')).includes('/etc'));
    assert.ok(texts(expandGlob('*.json')).includes('package.json'));
    assert.throws(() => expandGlob('/nowhere*/['), { code: 'usage', message: /'\/nowhere\*\/\['/ });
  });

  it('--files-from trims, knows comments and globs', () => {
    const warnings: string[] = [];
    writeFileSync(list, `\ufeff# comment\n\n  ${base}/d?/a.txt \t\r\n${base}/none*\n  # another\n${base}/d2`);
    assert.deepEqual(
      texts(readFilesFrom(list, (message) => warnings.push(message))),
      inBase('d1/a.txt', 'd2/a.txt', 'd2'),
    );
    assert.deepEqual(warnings, [`${list}: '${base}/none*' matches no file`]);
  });

  it('--files-from takes names that are not UTF-8', () => {
    writeFileSync(list, Buffer.concat([odd, Buffer.from('\n')]));
    assert.deepEqual(readFilesFrom(list), [odd]);
  });

  it('--files-from reads UTF-16 with a byte order mark', () => {
    writeFileSync(list, Buffer.from(`\ufeff${base}/d1\r\n`, 'utf16le'));
    assert.deepEqual(texts(readFilesFrom(list)), inBase('d1'));
    writeFileSync(list, Buffer.from(`\ufeff${base}/d2\r\n`, 'utf16le').swap16());
    assert.deepEqual(texts(readFilesFrom(list)), inBase('d2'));
  });

  it('--files-from-verbatim takes lines as they stand', () => {
    writeFileSync(list, Buffer.concat([Buffer.from(' spaced \n#name\n\nst*r\r\n'), odd]));
    assert.deepEqual(texts(readFilesFromVerbatim(list)), [' spaced ', '#name', 'st*r', odd.toString('latin1')]);
  });

  it('--files-from-raw takes any bytes between zero bytes', () => {
    writeFileSync(list, Buffer.concat([Buffer.from('a\nb\r\n\0'), odd, Buffer.from('\0')]));
    assert.deepEqual(texts(readFilesFromRaw(list)), ['a\nb\r\n', odd.toString('latin1')]);
    writeFileSync(list, '');
    assert.deepEqual(readFilesFromRaw(list), []);
    writeFileSync(list, 'a\0b');
    assert.throws(() => readFilesFromRaw(list), { code: 'usage', message: /zero byte/ });
    writeFileSync(list, 'a\0\0b\0');
    assert.throws(() => readFilesFromRaw(list), { code: 'usage', message: /empty name/ });
  });

  it('say which list cannot be read', () => {
    for (const [read, option] of [
      [readFilesFrom, '--files-from'],
      [readFilesFromVerbatim, '--files-from-verbatim'],
      [readFilesFromRaw, '--files-from-raw'],
    ] as const)
      assert.throws(() => read('/no/list'), {
        code: 'usage',
        message: `${option}: cannot read /no/list: no such file or directory`,
      });
  });

  it('come from standard input for -', () => {
    const module = new URL('../../src/filesystem/files-from.js', import.meta.url);
    const script = `import { readFilesFromRaw } from '${module}'; console.log(JSON.stringify(readFilesFromRaw('-').map(String)));`;
    const producer = `(printf 'a\\0'; sleep 0.1; printf 'b c\\0') | "${process.execPath}" --input-type=module -e "$SCRIPT"`;
    const run = spawnSync('sh', ['-c', producer], { encoding: 'utf8', env: { ...process.env, SCRIPT: script } });
    assert.equal(run.stdout, '["a","b c"]\n', run.stderr);
  });

  it('of patterns have variables and comments', () => {
    const environment = { HOME: '/home/me', a_1: 'A' };
    writeFileSync(
      list,
      `# no\n\n $HOME/x \n\${HOME}/y\n$a_1b$a_1.\${a_1}z\ncost$$5\n$none/x\${none}\n$\n\${bad\n\${}x\n$1y\n\\#z\n$constructor.`,
    );
    const expected = ['/home/me/x', '/home/me/y', 'A.Az', 'cost$5', '/x', '$', 'bad', 'x', 'y', '\\#z', '.'];
    assert.deepEqual(
      readPatternFile(list, environment, () => undefined),
      expected,
    );
  });

  it('of patterns warn when a variable is not set', () => {
    const unset: string[] = [];
    writeFileSync(list, '$RECYCLE.BIN\n$$RECYCLE.BIN\n$EMPTY/x\n');
    assert.deepEqual(
      readPatternFile(list, { EMPTY: '' }, (message) => unset.push(message)),
      ['.BIN', '$RECYCLE.BIN', '/x'],
    );
    assert.deepEqual(unset, [
      `${list}: '$RECYCLE.BIN': the variable $RECYCLE is not set; write $$ for a dollar sign that belongs to a name`,
    ]);
  });

  it('--files-from names --files-from-verbatim when a line is no glob, or a file that the glob does not match', () => {
    writeFileSync(list, `${base}/d1\n${base}/[\n`);
    assert.throws(() => readFilesFrom(list), { code: 'usage', message: /list: .*malformed.*--files-from-verbatim/ });
    writeFileSync(join(base, 'a[1]'), '');
    writeFileSync(list, `${base}/a[1]\n`);
    const warnings: string[] = [];
    assert.deepEqual(
      readFilesFrom(list, (message) => warnings.push(message)),
      [],
    );
    assert.match(warnings.join(), /matches no file, but it is the name of one: --files-from-verbatim/);
  });

  it('of patterns may have bytes that are not UTF-8', () => {
    writeFileSync(list, Buffer.from([0x2a, 0xe9, 0xff, 0x0a]));
    const patterns = parsePatterns(structuredClone(readPatternFile(list, {}, () => undefined)));
    assert.equal(patterns.match(Buffer.from([0x2f, 0x61, 0xe9, 0xff])).matched, true);
    assert.equal(patterns.match(Buffer.from([0x2f, 0x61, 0xe9, 0xfe])).matched, false);
  });
});
